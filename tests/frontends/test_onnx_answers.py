"""What a file's outputs mean: labels, probabilities, thresholds, values; checked against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.conventional import Answer, Conventional
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from tests.frontends.graphs import run_onnx

Step = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 4)).astype(np.float32)
TENSORS: dict[str, Any] = {
    "w": RNG.normal(size=(4, 5)), "b": RNG.normal(size=5), "back": np.float64(-3), "one": RNG.normal(size=(5, 1)), "bias": np.array([0.1]),
    "many": RNG.normal(size=(5, 3)),
    "unity": np.float64(1), "half": np.float64(0.5), "most": np.float64(0.8), "two": np.array([3, 7]), "three": np.array([3, 5, 9]),
    "names": np.array([b"no", b"yes"], object), "row": np.array([-1]), "second": np.array([1]), "column": np.array([-1, 1])}
BODY: list[Step] = [("Gemm", ["x", "w", "b"], ["p"], {}), ("Relu", ["p"], ["h"], {})]
ONE: list[Step] = [*BODY, ("Gemm", ["h", "one", "bias"], ["z"], {})]
MANY: list[Step] = [*BODY, ("MatMul", ["h", "many"], ["z"], {})]
ML = "ai.onnx.ml"


def model(steps: Sequence[Step], outputs: Sequence[str]) -> onnx.ModelProto:
    nodes = [helper.make_node(kind.split(":")[-1], list(takes), list(gives), f"n{i}", domain=ML if ":" in kind else "", **attributes)
             for i, (kind, takes, gives, attributes) in enumerate(steps)]
    used = {name for _, takes, _, _ in steps for name in takes}
    tensors = [numpy_helper.from_array(np.asarray(value, np.float32) if np.asarray(value).dtype == np.float64 else np.asarray(value), name)
               for name, value in TENSORS.items() if name in used]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
                              [onnx.ValueInfoProto(name=name) for name in outputs], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ML, 3)], ir_version=8)


def decided(net: Conventional) -> np.ndarray:
    """Labels by the answer's own rule."""
    z = net.forward(X)
    place = (z[:, 0] > net.answer.threshold).astype(int) if net.answer.kind == "binary" else z.argmax(axis=1)
    return place if net.answer.classes is None else np.take(np.asarray(net.answer.classes), place)


def refused(proto: onnx.ModelProto, output: str | None = None) -> str:
    with pytest.raises(RanvierError) as caught:
        load_onnx(proto, output)
    return str(caught.value)


# One output


@pytest.mark.parametrize(("steps", "answer", "end"), [
    ([], Answer("value"), "z"),
    ([("Sigmoid", ["z"], ["y"], {})], Answer("binary"), "y"),
    ([("Sigmoid", ["z"], ["s"], {}), ("Greater", ["s", "half"], ["y"], {})], Answer("binary"), "y"),
    ([("Sigmoid", ["z"], ["s"], {}), ("Round", ["s"], ["y"], {})], Answer("binary"), "y"),
    ([("Sigmoid", ["z"], ["s"], {}), ("Greater", ["s", "most"], ["t"], {}), ("Cast", ["t"], ["y"], {"to": 7})],
     Answer("binary", float(np.log(np.float32(0.8) / (1 - np.float64(np.float32(0.8)))))), "y"),
    ([("Greater", ["z", "half"], ["t"], {}), ("Cast", ["t"], ["y"], {"to": 7})], Answer("binary", 0.5), "y"),
    ([("Less", ["half", "z"], ["t"], {}), ("Cast", ["t"], ["y"], {"to": 7})], Answer("binary", 0.5), "y"),
    ([("Less", ["z", "half"], ["t"], {}), ("Cast", ["t"], ["y"], {"to": 7})], Answer("binary", -0.5), "y"),
    ([("GreaterOrEqual", ["z", "half"], ["t"], {}), ("Cast", ["t"], ["y"], {"to": 7})], Answer("binary", float(np.nextafter(0.5, 0))), "y"),
    ([("Relu", ["z"], ["y"], {})], Answer("value", final="relu"), "y"),
])
def test_one_output(steps: list[Step], answer: Answer, end: str) -> None:
    proto = model([*ONE, *steps], [end])
    net = load_onnx(proto)
    assert (net.answer.kind, net.answer.final, net.answer.classes) == (answer.kind, answer.final, answer.classes)
    assert net.answer.threshold == pytest.approx(answer.threshold, rel=1e-12)
    found = run_onnx(proto, X)[0].ravel()
    if answer.kind == "value":
        z = net.forward(X)[:, 0]
        np.testing.assert_allclose(np.maximum(z, 0) if answer.final else z, found, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(decided(net), found > 0.5)
        assert 3 < int((found > 0.5).sum()) < 37    # both answers are there


@pytest.mark.parametrize("labels", ["two", "names"])
def test_sklearn_binary_network(labels: str) -> None:
    """skl2onnx: 1 - p and p side by side, ArgMax, the label's name."""
    steps: list[Step] = [*ONE, ("Sigmoid", ["z"], ["s"], {}), ("Sub", ["unity", "s"], ["q"], {}),
                         ("Concat", ["q", "s"], ["probabilities"], {"axis": 1}), ("ArgMax", ["probabilities"], ["a"], {"axis": 1}),
                         (f"{ML}:ArrayFeatureExtractor", [labels, "a"], ["f"], {}), ("Reshape", ["f", "row"], ["label"], {})]
    proto = model(steps, ["label", "probabilities"])
    net = load_onnx(proto)
    assert net.answer == Answer("binary", 0.0, (3, 7) if labels == "two" else ("no", "yes"))
    np.testing.assert_array_equal(decided(net), run_onnx(proto, X)[0])
    assert load_onnx(proto, "probabilities").answer.kind == "binary"


def test_sklearn_labels_with_zipmap() -> None:
    steps: list[Step] = [*MANY, ("Softmax", ["z"], ["s"], {"axis": 1}), ("ArgMax", ["s"], ["a"], {"axis": 1}),
                         (f"{ML}:ArrayFeatureExtractor", ["three", "a"], ["f"], {}), ("Reshape", ["f", "row"], ["output_label"], {}),
                         (f"{ML}:Normalizer", ["s"], ["m"], {"norm": "L1"}),
                         (f"{ML}:ZipMap", ["m"], ["output_probability"], {"classlabels_int64s": [3, 5, 9]})]
    proto = model(steps, ["output_label", "output_probability"])
    net = load_onnx(proto)
    assert net.answer == Answer("class", classes=(3, 5, 9))
    np.testing.assert_array_equal(decided(net), run_onnx(proto, X, "output_label")[0])
    assert load_onnx(proto, "output_probability").answer == Answer("class", classes=(3, 5, 9))


@pytest.mark.parametrize(("transform", "count"), [("NONE", 2), ("SOFTMAX", 3), ("LOGISTIC", 2), ("LOGISTIC", 1), ("NONE", 1)])
def test_linear_classifier(transform: str, count: int) -> None:
    labels = [4, 8, 6][:max(count, 2)]
    steps: list[Step] = [
        (f"{ML}:Scaler", ["x"], ["v"], {"offset": [0.1, 0.2, -0.3, 0.0], "scale": [2.0, 1.0, 0.5, 3.0]}),
        (f"{ML}:LinearClassifier", ["v"], ["label", "scores"], {
            "coefficients": RNG.normal(size=count * 4).tolist(), "intercepts": RNG.normal(size=count).tolist(),
            "classlabels_ints": labels, "post_transform": transform, "multi_class": 1})]
    proto = model(steps, ["label", "scores"])
    net = load_onnx(proto)
    assert net.answer == Answer("class" if count > 1 else "binary", classes=tuple(labels))
    label, scores = run_onnx(proto, X)
    np.testing.assert_array_equal(decided(net), label)
    if transform == "NONE" and count > 1:
        np.testing.assert_allclose(net.forward(X), scores, rtol=1e-5, atol=1e-5)


def test_linear_svc_gives_one_score_beside_its_label() -> None:
    steps: list[Step] = [
        (f"{ML}:LinearClassifier", ["x"], ["label", "raw"], {
            "coefficients": [-1.0, 2.0, 0.5, 1.0, 1.0, -2.0, -0.5, -1.0], "intercepts": [0.1, -0.1], "classlabels_ints": [0, 1]}),
        (f"{ML}:ArrayFeatureExtractor", ["raw", "second"], ["score"], {})]
    proto = model(steps, ["label", "score"])
    net = load_onnx(proto)
    np.testing.assert_array_equal(decided(net), run_onnx(proto, X)[0])
    single = load_onnx(proto, "score")
    assert single.answer == Answer("value")
    np.testing.assert_allclose(single.forward(X).ravel(), run_onnx(proto, X)[1].ravel(), rtol=1e-5, atol=1e-6)


def test_regressors() -> None:
    steps: list[Step] = [(f"{ML}:LinearRegressor", ["x"], ["y"], {
        "coefficients": RNG.normal(size=8).tolist(), "intercepts": [0.5, -0.5], "targets": 2})]
    np.testing.assert_allclose(load_onnx(model(steps, ["y"])).forward(X), run_onnx(model(steps, ["y"]), X)[0], rtol=1e-5, atol=1e-5)
    mlp = model([*ONE, ("Reshape", ["z", "column"], ["variable"], {})], ["variable"])    # as skl2onnx ends an MLPRegressor
    assert load_onnx(mlp).answer == Answer("value")


@pytest.mark.parametrize("factor", ["most", "back"])
def test_a_relu_and_a_factor_at_the_end(factor: str) -> None:
    """A regression that gives its values in other units: above 0 the factor is folded; below, the Relu stays a layer."""
    proto = model([*MANY, ("Relu", ["z"], ["r"], {}), ("Mul", ["r", factor], ["y"], {})], ["y"])
    net = load_onnx(proto)
    z = net.forward(X)
    assert (net.answer.final, len(net.layers)) == (("relu", 2) if factor == "most" else (None, 3))
    np.testing.assert_allclose(np.maximum(z, 0) if factor == "most" else z, run_onnx(proto, X)[0], rtol=1e-5, atol=1e-6)


def test_outputs_on_several_axes_are_values() -> None:
    net = load_onnx(model([*BODY, ("MatMul", ["h", "many"], ["a"], {}), ("MatMul", ["h", "many"], ["e"], {}),
                           ("Unsqueeze", ["a", "second"], ["c"], {}), ("Unsqueeze", ["e", "second"], ["d"], {}),
                           ("Concat", ["c", "d"], ["y"], {"axis": 1})], ["y"]))
    assert net.answer == Answer("value") and net.layers[-1].bias.size == 6
    assert any("its values are no scores of classes" in note for note in net.notes)


# Several outputs


def test_several_outputs_need_a_choice() -> None:
    steps: list[Step] = [*MANY, ("Gemm", ["h", "one", "bias"], ["value"], {})]
    proto = model(steps, ["z", "value"])
    assert "it has several outputs, 'z', 'value'; choose one with --head NAME" in refused(proto)
    assert load_onnx(proto, "z").answer == Answer("class") and load_onnx(proto, "value").answer == Answer("value")
    np.testing.assert_allclose(load_onnx(proto, "value").forward(X), run_onnx(proto, X)[1], rtol=1e-5, atol=1e-5)
    assert "output 'h': the model has 'z', 'value'; give one of these" in refused(proto, "h")


def test_what_the_output_does_not_need_is_not_read() -> None:
    steps: list[Step] = [*MANY, ("Tanh", ["h"], ["other"], {})]
    assert load_onnx(model(steps, ["z", "other"]), "z").forward(X).shape == (40, 3)


@pytest.mark.parametrize(("steps", "words"), [
    ([*ONE, ("Softmax", ["z"], ["y"], {})], "a Softmax over one output is always 1"),
    ([*ONE, ("ArgMax", ["z"], ["y"], {"axis": 1})], "a class of one output is always the same"),
    ([*ONE, ("Tanh", ["z"], ["y"], {})], "(Tanh): a spike rate follows a Relu or a Clip"),
    ([*MANY, ("Sigmoid", ["z"], ["s"], {}), (f"{ML}:Binarizer", ["s"], ["y"], {"threshold": 0.5})], "a yes or no of each of 3 outputs"),
    ([*ONE, ("Relu", ["z"], ["r"], {}), ("Less", ["r", "half"], ["y"], {})], ""),
    ([*MANY, ("ArgMax", ["z"], ["a"], {"axis": 1}), (f"{ML}:ArrayFeatureExtractor", ["two", "a"], ["y"], {})], "names 2 classes for 3"),
    ([(f"{ML}:TreeEnsembleClassifier", ["x"], ["y"], {})], "train an MLPClassifier"),
    ([(f"{ML}:LinearClassifier", ["x"], ["y", "s"], {"coefficients": [1.0] * 7, "intercepts": [1.0], "classlabels_ints": [0, 1]})],
     "7 coefficients"),
])
def test_answers_that_are_refused(steps: list[Step], words: str) -> None:
    if words:
        assert words in refused(model(steps, ["y"]))
    else:    # the Relu is scaled by -1, so it stays a layer and the answer is right
        net = load_onnx(model(steps, ["y"]))
        np.testing.assert_array_equal(decided(net), run_onnx(model(steps, ["y"]), X)[0].ravel())


def test_sigmoid_over_several_outputs_says_what_is_not_given() -> None:
    net = load_onnx(model([*MANY, ("Sigmoid", ["z"], ["y"], {})], ["y"]))
    assert net.answer == Answer("class") and any("yes or no for each output is not given" in note for note in net.notes)
