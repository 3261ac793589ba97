"""What a file makes of its last layer: probabilities, labels, thresholds; and the answer that they mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...model.errors import RanvierError
from ..conventional import Answer
from .affine import matmul, scaled, shifted
from .node import Call, Context
from .values import Constant, Data, Label, Scores, Value

__all__ = ["BEHIND", "ENDS", "answer_of"]


def _whole_row(call: Call, data: Data, axis: int) -> None:
    """Check that ``axis`` goes over all outputs of a sample."""
    if data.batch == axis or data.shape[axis] != data.size:
        raise call.fail(f"it goes over axis {axis} of {data.shown()}; it must go over all outputs of a sample")


# From data


def softmax(call: Call) -> Value:
    """Probabilities of classes."""
    data = call.data(0)
    if not data.shape:
        raise call.fail("its data has no axis; export the model again")
    axis = call.axis(call.integer("axis", 1 if call.context.opset < 13 else -1), len(data.shape))
    if call.context.opset < 13 and data.batch is not None and data.batch < axis and math.prod(data.shape[:axis]) == 1:
        return Scores(data, "softmax", call.label)    # all axes from this one on are one
    _whole_row(call, data, axis)
    return Scores(data, "softmax", call.label)


def sigmoid(call: Call) -> Value:
    """A probability for each output."""
    return Scores(call.data(0), "sigmoid", call.label)


def argmax(call: Call) -> Value:
    """The class."""
    data = call.data(0)
    _whole_row(call, data, call.axis(call.integer("axis", 0), len(data.shape)))
    return Label(data, False, call.label)


def _threshold(data: Data, call: Call, threshold: float, *, below: bool, equal: bool) -> Label:
    """Class 1 where the only value is above (or below) ``threshold``; with ``equal`` also where it is just that."""
    if data.size != 1:
        raise call.fail(f"it asks for a yes or no of each of {data.size} outputs; export the model without it")
    if below:
        data, threshold = scaled(data, np.array(-1.0), call.label), -threshold
    return Label(data, True, call.label, float(np.nextafter(threshold, -np.inf)) if equal else threshold)


def _compared(below: bool, equal: bool) -> Callable[[Call], Value]:
    """A handler of a comparison with a constant, either way round."""
    def handler(call: Call) -> Value:
        place = 1 if isinstance(call.value(0), Constant) else 0
        limit, value = call.floats(1 - place, "operand"), call.value(place)
        if limit.size != 1:
            raise call.fail("it compares with more than one number; export the model without it")
        threshold = float(limit.ravel()[0])
        down = below != (place == 1)
        if isinstance(value, Data):
            return _threshold(value, call, threshold, below=down, equal=equal)
        if not isinstance(value, Scores) or value.kind not in ("sigmoid", "complement") or not 0 < threshold < 1:
            raise _after(call, value)
        if value.kind == "complement":
            threshold, down = 1 - threshold, not down
        return _threshold(value.data, call, math.log(threshold / (1 - threshold)), below=down, equal=equal)
    return handler


def binarizer(call: Call) -> Value:
    """1 above a threshold (scikit-learn)."""
    value, threshold = call.value(0), float(call.number("threshold", 0.0))
    if isinstance(value, Data):
        return _threshold(value, call, threshold, below=False, equal=False)
    if not isinstance(value, Scores) or value.kind != "sigmoid" or not 0 < threshold < 1:
        raise _after(call, value)
    return _threshold(value.data, call, math.log(threshold / (1 - threshold)), below=False, equal=False)


def _labels(call: Call) -> tuple[int | str, ...] | None:
    integers, texts = call.integers("classlabels_ints") or call.integers("classlabels_int64s"), call.texts("classlabels_strings")
    return tuple(integers) if integers else tuple(texts) or None


def linear_classifier(call: Call) -> tuple[Value, Value]:
    """Label and scores of scikit-learn's linear classifiers."""
    data, classes = call.data(0), _labels(call)
    coefficients, intercepts = call.float_list("coefficients"), call.float_list("intercepts")
    features = data.shape[-1] if data.shape else 1
    count = coefficients.size // features
    if classes is None or not count or coefficients.size != count * features or intercepts.size not in (0, count) or (
            len(classes) != count and (count, len(classes)) != (1, 2)):
        raise call.fail(f"it has {coefficients.size} coefficients and {intercepts.size} intercepts for {features} features; "
                        "export the model again")
    scores = matmul(data, Constant(coefficients.reshape(count, -1).T), call.names)
    scores = shifted(scores, intercepts, call.label) if intercepts.size else scores
    transform = call.text("post_transform", "NONE")
    if transform not in ("NONE", "SOFTMAX", "LOGISTIC") or count == 1 and transform == "SOFTMAX":
        raise call.fail(f"its post_transform {transform[:20]!r} is not supported; export the model with raw scores")
    if count == 1:
        return Label(scores, True, call.label, 0.0, classes), Scores(scores, "pair", call.label, classes)
    if transform == "NONE":
        return Label(scores, False, call.label, 0.0, classes), scores
    return Label(scores, False, call.label, 0.0, classes), Scores(
        scores, "softmax" if transform == "SOFTMAX" else "sigmoid", call.label, classes)


#: Handlers of data by operator, with the least and the largest number of inputs.
ENDS: dict[str, tuple[Callable[[Call], Value | tuple[Value, ...]], int, int]] = {
    "ArgMax": (argmax, 1, 1), "LogSoftmax": (softmax, 1, 1), "Sigmoid": (sigmoid, 1, 1), "Softmax": (softmax, 1, 1),
    "Greater": (_compared(False, False), 2, 2), "GreaterOrEqual": (_compared(False, True), 2, 2),
    "Less": (_compared(True, False), 2, 2), "LessOrEqual": (_compared(True, True), 2, 2),
    "ai.onnx.ml.Binarizer": (binarizer, 1, 1), "ai.onnx.ml.LinearClassifier": (linear_classifier, 1, 1),
}


# From scores and labels


def _after(call: Call, value: Value | None) -> RanvierError:
    if isinstance(value, Scores) and value.kind != "softmax":
        return RanvierError(f"{value.label}: a spike rate follows a Relu or a Clip, not this curve, and {call.label} goes on with it; "
                            "retrain with ReLU or ReLU6, and keep a Sigmoid for the last node only")
    end = value.label if isinstance(value, Scores | Label) else "the answer"
    return RanvierError(f"{call.label}: nothing may follow {end}; export the model without it")


def same(call: Call) -> Value:
    """Another form of the same answer."""
    value = call.value(0)
    if not isinstance(value, Scores | Label):
        raise _after(call, value)
    return value


def log(call: Call) -> Value:
    """log(softmax(x))."""
    value = call.value(0)
    if not isinstance(value, Scores) or value.kind != "softmax":
        raise _after(call, value)
    return value


def round_(call: Call) -> Value:
    """1 where a probability is above a half (which itself goes to the even 0)."""
    value = call.value(0)
    if not isinstance(value, Scores) or value.kind != "sigmoid":
        raise _after(call, value)
    return _threshold(value.data, call, 0.0, below=False, equal=False)


def complement(call: Call) -> Value:
    """1 - p."""
    one, value = call.value(0), call.value(1)
    if not isinstance(one, Constant) or one.array.size != 1 or one.array.ravel()[0] != 1 or not isinstance(value, Scores) or (
            value.kind != "sigmoid" or value.data.size != 1):
        raise _after(call, value if isinstance(value, Scores | Label) else one)
    return replace(value, kind="complement")


def pair(call: Call) -> Value:
    """[1 - p, p]."""
    a, b = call.value(0), call.value(1)
    if not (isinstance(a, Scores) and isinstance(b, Scores) and len(call.values) == 2) or (
            (a.kind, b.kind) != ("complement", "sigmoid") or a.data is not b.data):
        raise _after(call, next(value for value in call.values if isinstance(value, Scores | Label)))
    return replace(b, kind="pair")


def argmax_scores(call: Call) -> Value:
    """The class of the largest score."""
    value = call.value(0)
    if not isinstance(value, Scores) or value.kind == "complement":
        raise _after(call, value)
    if value.kind == "pair":
        return Label(value.data, True, call.label)
    _whole_row(call, value.data, call.axis(call.integer("axis", 0), len(value.data.shape)))
    return Label(value.data, False, call.label)


def pick(call: Call) -> Value:
    """The names of classes, by their number."""
    names, value = call.value(0), call.value(1)
    if not isinstance(names, Constant) or not isinstance(value, Label):
        raise _after(call, value if isinstance(value, Scores | Label) else names)
    classes = tuple(item.decode(errors="replace") if isinstance(item, bytes) else int(item) if names.array.dtype != object else str(item)
                    for item in names.array.ravel().tolist())
    if len(classes) != (2 if value.binary else value.data.size):
        raise call.fail(f"it names {len(classes)} classes for {value.data.size} outputs; export the model again")
    return replace(value, classes=classes)


def zipmap(call: Call) -> Value:
    """Probabilities under the names of their classes."""
    value = call.value(0)
    if isinstance(value, Scores):
        return replace(value, classes=_labels(call))
    if isinstance(value, Data):
        return value
    raise _after(call, value)


ENDS["ai.onnx.ml.ZipMap"] = (zipmap, 1, 1)
#: Handlers of scores and labels by operator.
BEHIND: dict[str, tuple[Callable[[Call], Value | tuple[Value, ...]], int, int]] = {
    **dict.fromkeys(("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "ai.onnx.ml.Normalizer"), (same, 1, 2)),
    "ArgMax": (argmax_scores, 1, 1), "Concat": (pair, 1, 16), "Gather": (pick, 2, 2), "Log": (log, 1, 1), "Round": (round_, 1, 1),
    "Sub": (complement, 2, 2), "ai.onnx.ml.ArrayFeatureExtractor": (pick, 2, 2), "ai.onnx.ml.ZipMap": (zipmap, 1, 1),
    "ai.onnx.ml.Binarizer": (binarizer, 1, 1),
    **{name: ENDS[name] for name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
}


def refuse_behind(call: Call) -> RanvierError:
    """What is said where scores or a label go into an operator that does not take them."""
    return _after(call, next((value for value in call.values if isinstance(value, Scores | Label)), None))


# What it means


def answer_of(value: Data | Scores | Label, context: Context, owner: str) -> tuple[Data, Answer]:
    """The data that the last layer gives, and what it means; ``owner`` names the output in messages."""
    if isinstance(value, Data):
        if value.size > 1 and value.size not in value.shape:
            context.note(f"{owner}: it has the shape {value.shown()}, so its values are no scores of classes")
        return value, Answer("class" if value.size > 1 and value.size in value.shape else "value")
    data = value.data
    if isinstance(value, Label):
        if not value.binary and data.size < 2:
            raise RanvierError(f"{owner}: a class of one output is always the same; export the model with two outputs or a threshold")
        context.note(f"{value.label} was left out: the answer is the class, as before")
        return data, Answer("binary" if value.binary else "class", value.threshold, value.classes)
    if value.kind == "softmax":
        if data.size < 2:
            raise RanvierError(f"{value.label}: a Softmax over one output is always 1; train the model with a Sigmoid or two outputs")
        context.note(f"{value.label} was left out: the largest output stays the largest")
        return data, Answer("class", classes=value.classes)
    if data.size > 1:
        context.note(f"{value.label} was left out: the largest output stays the largest; a yes or no for each output is not given")
        return data, Answer("class", classes=value.classes)
    context.note(f"{value.label} was left out: its 0.5 is 0 before it")
    return (scaled(data, np.array(-1.0), value.label) if value.kind == "complement" else data), Answer("binary", 0.0, value.classes)
