"""Files as PyTorch, scikit-learn, Keras and onnxruntime write them: the right values, or the right reason."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.conventional import Answer, Clip, Conventional, Relu
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from tests.frontends.graphs import run_onnx

CASES = Path(__file__).resolve().parents[1] / "cases" / "onnx"
SIX = np.load(CASES / "six_inputs.npz")["pictures"] / 255
EXPECTED = np.load(CASES / "expected.npz")
DIGITS = np.random.default_rng(0).random((200, 64)).astype(np.float32)


def read(name: str) -> Conventional:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_onnx(CASES / f"{name}.onnx")


def refused(name: str) -> str:
    with pytest.raises(RanvierError) as caught:
        read(name)
    message = str(caught.value)
    assert message.startswith(f"{CASES / name}.onnx: ") and message.isprintable()
    return message


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(x / x.sum(axis=1, keepdims=True))


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    """At most 1e-5 of the largest output apart."""
    assert found.shape == wanted.shape
    assert float(np.abs(found - wanted).max()) <= 1e-5 * float(np.abs(wanted).max())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_small_files_give_what_onnxruntime_gave(name: str) -> None:
    found = read(name).forward(SIX)
    close(1 / (1 + np.exp(-found)) if name.endswith("sigmoid") else found, EXPECTED[name])


@pytest.mark.parametrize("name", ["07_mlp_default_call", "19_norm_inside", "31_last_relu", "33_two_linear", "53_sklearn_pipe",
                                  "51_sklearn_nozipmap", "59_keras"])
def test_exported_files_give_what_onnxruntime_gives(name: str) -> None:
    network = read(name)
    single = name.startswith("07")    # exported for one sample at a time
    outputs = [np.concatenate(parts) for parts in zip(*(run_onnx(CASES / f"{name}.onnx", part) for part in (
        DIGITS.reshape(-1, 1, 64) if single else [DIGITS])), strict=True)]
    logits = network.forward(DIGITS)
    if name in ("53_sklearn_pipe", "51_sklearn_nozipmap"):
        close(softmax(logits), outputs[1])
        assert network.answer.classes is not None
        np.testing.assert_array_equal(np.take(network.answer.classes, logits.argmax(axis=1)), outputs[0])
    elif name == "59_keras":
        close(softmax(logits), outputs[0])
    else:
        close(np.maximum(logits, 0) if network.answer.final == "relu" else logits, outputs[0])


def test_what_the_answers_mean() -> None:
    assert read("31_last_relu").answer == Answer("class", final="relu")
    assert read("35_argmax").answer == Answer("class")
    assert read("51_sklearn_nozipmap").answer == Answer("class", classes=tuple(range(10)))
    assert read("binary").answer == read("one_output").answer == Answer("value")
    assert read("one_output_sigmoid").answer == Answer("binary", 0.0)
    logits = read("one_output_sigmoid").forward(SIX)
    np.testing.assert_array_equal(logits > 0, EXPECTED["one_output_sigmoid"] > 0.5)


def test_a_class_is_the_class_of_the_file() -> None:
    found = read("35_argmax").forward(DIGITS).argmax(axis=1)
    np.testing.assert_array_equal(found, run_onnx(CASES / "35_argmax.onnx", DIGITS)[0])


def test_two_linear_layers_are_one() -> None:
    assert [layer.weight.shape for layer in read("33_two_linear").layers] == [(64, 10)]
    assert [layer.weight.shape for layer in read("dense_dense").layers] == [(6, 3), (3, 2)]


def test_a_bounded_relu_keeps_its_bound() -> None:
    assert read("keras_relu_max1").layers[0].activation == Clip(1.0)


@pytest.mark.parametrize(("name", "shape"), [("24_residual", (64,)), ("25_lenet", (1, 8, 8))])
def test_convolutions_and_branches_give_what_onnxruntime_gives(name: str, shape: tuple[int, ...]) -> None:
    x = DIGITS.reshape(-1, *shape)
    close(read(name).forward(DIGITS), run_onnx(CASES / f"{name}.onnx", x)[0])


def test_pooling_is_folded_and_branches_are_read() -> None:
    kernels = [[part.weight.shape for part in layer.synapses] for layer in read("25_lenet").layers]
    assert kernels == [[(3, 3, 1, 6)], [(6, 6, 6, 12)], [(1, 1, 8 * 4 * 6, 32)], [(1, 1, 32, 10)]]    # 4 x 4 x 12 in front of pooling
    assert [part.source for part in read("24_residual").layers[-1].synapses] == ["a/Gemm", "b/Gemm"]


def test_what_is_before_the_first_layer_is_said() -> None:
    assert [note for note in read("19_norm_inside").notes if "folded into the first layer" in note]


def test_refusals_name_the_reason() -> None:
    assert "NaN or infinite" in refused("snan")    # and no warning before it


def test_external_data_needs_its_file(tmp_path: Path) -> None:
    shutil.copy(CASES / "external.onnx", tmp_path)
    with pytest.raises(RanvierError, match="tensor 'W' lies in 'external.onnx.data': no such file or directory; put that file beside"):
        load_onnx(tmp_path / "external.onnx")
    with pytest.raises(RanvierError, match="model: node '#0' \\(Gemm\\): tensor 'W' lies in another file; give load_onnx the path"):
        load_onnx(onnx.load(CASES / "external.onnx", load_external_data=False))


# A QDQ model


def without_rounding() -> onnx.ModelProto:
    """55_qdq with bounds instead of the roundings of activations, weights as floats: what the import makes of it."""
    model = onnx.load(CASES / "55_qdq.onnx")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants:
            source = next(other.input[0] for other in model.graph.node if other.output[0] == node.input[0])
            scale, zero = float(constants[node.input[1]]), int(constants[node.input[2]])
            if source == "/1/Relu_output_0":
                for name, value in (("low", 0.0), ("high", (127 - zero) * scale)):
                    model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
                nodes.append(helper.make_node("Clip", [source, "low", "high"], list(node.output)))
            else:
                nodes.append(helper.make_node("Identity", [source], list(node.output)))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def test_qdq_is_the_network_without_rounding_and_its_bounds_stay() -> None:
    network = read("55_qdq")
    close(network.forward(DIGITS), run_onnx(without_rounding(), DIGITS)[0])
    # The roundings that were left out are all that is different: a few of the file's own steps, 0.1666 each.
    far = np.abs(network.forward(DIGITS) - run_onnx(CASES / "55_qdq.onnx", DIGITS)[0])
    assert far.mean() < 0.1 and far.max() < 0.6
    assert isinstance(network.layers[0].activation, Clip) and len([note for note in network.notes if "rounding" in note]) == 3


def test_qdq_keeps_the_integers_of_the_weights() -> None:
    network = read("55_qdq")
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(CASES / "55_qdq.onnx").graph.initializer}
    for layer, name in zip(network.layers, ("0.weight", "2.weight"), strict=True):
        assert layer.quantised is not None
        integers, scale = layer.quantised
        assert integers.dtype == np.int64 and scale.shape == layer.bias.shape and (scale > 0).all()
        np.testing.assert_array_equal(integers, tensors[f"{name}_quantized"].T)
        np.testing.assert_array_equal(scale, np.float64(tensors[f"{name}_scale"]))
        np.testing.assert_allclose(layer.weight, integers * scale, rtol=1e-12)
    assert all(layer.quantised is None for layer in read("59_keras").layers)


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT16, TensorProto.UINT8])
def test_integers_of_every_width_stay_as_they_are(kind: int) -> None:
    low, high = {TensorProto.INT4: (-8, 7), TensorProto.UINT4: (0, 15), TensorProto.INT16: (-32768, 32767),
                 TensorProto.UINT8: (0, 255)}[kind]
    rng = np.random.default_rng(int(kind))
    integers, scale = rng.integers(low, high + 1, size=(3, 64)), np.float32(rng.random(3) + 0.5)
    zero = np.full(3, 0 if low else (high + 1) // 2)
    tensors = [helper.make_tensor("q", kind, (3, 64), integers.ravel().tolist()), numpy_helper.from_array(scale, "s"),
               helper.make_tensor("z", kind, (3,), zero.tolist()), numpy_helper.from_array(np.float32(-2), "minus")]
    nodes = [helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0), helper.make_node("Mul", ["x", "minus"], ["m"]),
             helper.make_node("Gemm", ["m", "w"], ["y"], transB=1)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    layer = load_onnx(model).layers[0]
    close(load_onnx(model).forward(DIGITS), run_onnx(model, DIGITS)[0])
    assert layer.quantised is not None
    np.testing.assert_array_equal(layer.quantised[0], -(integers - zero[:, None]).T)    # the scale is positive, so the sign is theirs
    np.testing.assert_array_equal(layer.quantised[1], 2 * scale.astype(np.float64))


def test_integers_under_scales_of_each_input_are_no_integers_of_the_layer() -> None:
    network = read("55_qdq")
    model = onnx.load(CASES / "55_qdq.onnx")
    model.graph.initializer.append(numpy_helper.from_array(np.linspace(1, 2, 64, dtype=np.float32), "each"))
    model.graph.node.insert(0, helper.make_node("Mul", ["input", "each"], ["scaled"]))
    next(node for node in model.graph.node if node.op_type == "QuantizeLinear").input[0] = "scaled"
    changed = load_onnx(model)
    assert changed.layers[0].quantised is None and changed.layers[1].quantised is not None
    np.testing.assert_allclose(changed.layers[0].weight, network.layers[0].weight * np.linspace(1, 2, 64, dtype=np.float32)[:, None])


# Forms that tf2onnx and PyTorch write, without a file


def built(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list[object], opset: int) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)], [onnx.ValueInfoProto(name="y")],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_tf2onnx_flattens_by_the_shape_and_bounds_by_max_and_min() -> None:
    node = helper.make_node
    model = built([
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Mul", ["t", "channels"], ["u"]),
        node("Transpose", ["u"], ["t2"], perm=[0, 2, 3, 1]), node("Shape", ["t2"], ["s"]),
        node("Cast", ["s"], ["s1"], to=TensorProto.INT32),
        node("Slice", ["s1", "zero", "one", "zero"], ["s2"]), node("Cast", ["s2"], ["s3"], to=TensorProto.INT64),
        node("Concat", ["s3", "rest"], ["s4"], axis=0), node("Reshape", ["t2", "s4"], ["f"]),
        node("MatMul", ["f", "w"], ["a"]),
        node("Add", ["a", "b"], ["c"]), node("Max", ["c", "low"], ["d"]), node("Min", ["d", "six"], ["e"]),
        node("MatMul", ["e", "v"], ["y"])],
        {"channels": floats(1, 2, 1, 1), "zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1]), "w": floats(32, 5),
         "b": floats(5), "low": np.float32(0), "six": np.float32(6), "v": floats(5, 3)}, ["n", 4, 4, 2], 15)
    network = load_onnx(model)
    assert network.layers[0].activation == Clip(6.0) and network.input_size == 32
    close(network.forward(floats(6, 32)), run_onnx(model, floats(6, 32).reshape(6, 4, 4, 2))[0])


def test_pytorch_keeps_float_weights_and_quantises_them_in_the_graph() -> None:
    node = helper.make_node
    model = built([
        node("QuantizeLinear", ["w", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["wq"]),
        node("MatMul", ["x", "wq"], ["a"]), node("Relu", ["a"], ["h"]), node("MatMul", ["h", "v"], ["y"])],
        {"w": floats(4, 5), "s": np.float32(0.02), "z": np.int8(0), "v": floats(5, 3)}, ["n", 4], 13)
    network = load_onnx(model)
    close(network.forward(floats(9, 4)), run_onnx(model, floats(9, 4))[0])
    assert network.layers[0].quantised is not None
    np.testing.assert_array_equal(network.layers[0].quantised[0], np.clip(np.rint(floats(4, 5) / np.float32(0.02)), -128, 127))


# The recipes of docs/import.md


@pytest.mark.parametrize(("name", "activations"), [
    ("07_mlp_default_call", [Relu(), None]), ("59_keras", [Relu(), None]), ("53_sklearn_pipe", [Relu(), None])])
def test_recipes(name: str, activations: list[object]) -> None:
    """Each recipe's file goes in as it is, and the page names the file."""
    assert [layer.activation for layer in read(name).layers] == activations
    assert f"tests/cases/onnx/{name}.onnx" in (CASES.parents[2] / "docs" / "import.md").read_text()
