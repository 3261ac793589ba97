"""What a readout says: a class, one of two classes, or a value; and how good that is beside labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from ..frontends.conventional import Answer, Conventional, Floats
from ..model.errors import RanvierError
from ..model.network.network import Network

__all__ = ["answer_of", "choose", "class_labels", "decide_answer", "judge", "values_of"]

Array = npt.NDArray[Any]


def decide_answer(conventional: Conventional, kind: str | None, labels: Array | None) -> tuple[Answer | None, tuple[str, ...]]:
    """What the answer of ``conventional`` means, and a note where that was not said.

    ``kind`` is what the user says ("class", "binary", "value") or None. None comes back where one output could be a value or
    one of two classes, and neither the file, the user nor the labels say which.
    """
    outputs, found = conventional.layers[-1].bias.size, conventional.answer
    if kind is not None:
        if kind not in ("class", "binary", "value"):
            raise RanvierError(f"answer: {kind!r}; it must be class, binary or value")
        if kind == "class" and outputs == 1 or kind == "binary" and outputs > 1:
            raise RanvierError(f"answer: it is {kind}, and the network has {outputs} output{'s' * (outputs > 1)}; "
                               f"use {'binary or value' if outputs == 1 else 'class or value'}")
        return (found if kind == found.kind else Answer(kind, final=found.final)), ()    # type: ignore[arg-type]
    if outputs > 1 or found.kind != "value" or found.final is not None:
        return found, ()
    if labels is None:
        return None, ("there is one output, and nothing says what it means: it is read as one of two classes, 1 above 0, where labels are "
                      "0 and 1, and else as a value; say answer=binary or answer=value",)
    if _two_classes(labels):
        return Answer("binary"), ("there is one output, and the labels are 0 and 1: class 1 is where it is above 0; "
                                  "say answer=value if it is a value",)
    return found, ("there is one output, and the labels are not 0 and 1: it is a value; say answer=binary if it names a class",)


def answer_of(network: Network, labels: Array | None = None) -> Answer:
    """What the answer of a converted ``network`` means; where its one output leaves it open, ``labels`` of 0 and 1 say binary."""
    found = network.info.get("answer")
    outputs = network.readouts[0].size if len(network.readouts) == 1 else 2
    if found is None:
        if outputs > 1:
            return Answer("class")
        return Answer("binary" if labels is not None and _two_classes(labels) else "value")
    return _parsed(found, outputs)


def values_of(network: Network, readouts: Array, steps: int, answer: Answer | None = None) -> tuple[Floats, float | None]:
    """The readouts in the conventional network's own units, float64, and the factor; membranes and None without a scale."""
    scale = network.info.get("readout_scale")
    if not isinstance(scale, float) or not np.isfinite(scale) or scale <= 0:
        return np.asarray(readouts, np.float64), None
    values = np.asarray(readouts, np.float64) * (scale / steps)
    return (np.maximum(values, 0) if answer is not None and answer.kind == "value" and answer.final == "relu" else values), scale / steps


def choose(answer: Answer, values: Array) -> npt.NDArray[np.int64]:
    """The class of each row of ``values`` (n, outputs), counted from 0. ``answer`` is not "value"."""
    if answer.kind == "binary":
        return np.asarray(values[:, 0] > answer.threshold, np.int64)
    return np.asarray(np.argmax(values, axis=1), np.int64)


def class_labels(answer: Answer, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The labels that the classes ``chosen`` stand for; themselves where those are no numbers."""
    names = _numbered(answer)
    return chosen if names is None else np.asarray(names, np.int64)[chosen]


def judge(answer: Answer, values: Floats, labels: Array | None) -> tuple[dict[str, float], tuple[str, ...]]:
    """Figures of ``values`` (n, outputs) beside ``labels``, and a note where they cannot be compared.

    ``accuracy`` for classes; ``mean_absolute_error`` and ``rms_error`` for values.
    """
    if labels is None or not len(values):
        return {}, ()
    if answer.kind == "value":
        wanted = np.asarray(labels, np.float64).reshape(len(labels), -1)
        if wanted.shape != values.shape:
            return {}, (f"labels: {wanted.shape[1]} numbers a sample, and the network gives {values.shape[1]}; no error can be given",)
        error = values - wanted
        return {"mean_absolute_error": float(np.abs(error).mean()), "rms_error": float(np.sqrt(np.square(error).mean()))}, ()
    why = _not_given(answer, values.shape[1], labels)
    if why:
        return {}, (why,)
    return {"accuracy": float(np.mean(class_labels(answer, choose(answer, values)) == labels))}, ()


def _not_given(answer: Answer, outputs: int, labels: Array) -> str:
    """Why the network can never give some of ``labels``; empty where it can."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        return "labels: they are not whole numbers, and the network gives classes; no accuracy can be given"
    classes = _numbered(answer) or tuple(range(2 if answer.kind == "binary" else outputs))
    if np.all(np.isin(labels, classes)):
        return ""
    low, high = int(labels.min()), int(labels.max())
    reach = f"go to {high}" if high > max(classes) else f"begin at {low}" if low < min(classes) else f"are {low} to {high}, with others"
    gives = f"{min(classes)} to {max(classes)}" if len(classes) == max(classes) - min(classes) + 1 else ", ".join(map(str, classes[:12]))
    return f"labels: they {reach}, and the network gives {gives}; no accuracy can be given"


def _numbered(answer: Answer) -> tuple[int, ...] | None:
    """The labels of the classes where all of them are whole numbers."""
    if answer.classes is None or not all(isinstance(name, int) for name in answer.classes):
        return None
    return tuple(int(name) for name in answer.classes)


def _two_classes(labels: Array) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "biu" and bool(np.all((labels == 0) | (labels == 1)))


def answer_json(answer: Answer) -> dict[str, Any]:
    """``answer`` as plain JSON values, as `answer_of` reads it."""
    found = asdict(answer)
    return {**found, "classes": None if answer.classes is None else list(answer.classes)}


def _parsed(found: Any, outputs: int) -> Answer:
    """An answer from a file, which nobody vouches for."""
    wrong = RanvierError("network: info: 'answer' is not what conversion writes; convert it again")
    if not isinstance(found, Mapping) or found.keys() != {"kind", "threshold", "classes", "final"}:
        raise wrong
    kind, threshold, classes, final = (found[name] for name in ("kind", "threshold", "classes", "final"))
    count = 2 if kind == "binary" else outputs
    if kind not in ("class", "binary", "value") or kind == "binary" and outputs != 1 or final not in (None, "relu"):
        raise wrong
    if type(threshold) not in (int, float) or not np.isfinite(threshold):
        raise wrong
    if classes is not None and (not isinstance(classes, list) or len(classes) != count
                                or not all(type(name) is str or type(name) is int and abs(name) < 1 << 31 for name in classes)):
        raise wrong
    return Answer(kind, float(threshold), None if classes is None else tuple(classes), final)
