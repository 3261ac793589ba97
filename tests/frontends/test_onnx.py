"""ONNX import: what is read, what is folded, and what is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.conventional import Clip, Conventional, Relu
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError

Node = tuple[str, Sequence[str], dict[str, Any]]


def model(nodes: Sequence[Node], tensors: Mapping[str, Any], shape: Sequence[Any] = ("batch", 4),
          opset: int = 17) -> onnx.ModelProto:
    """A chain: each node takes what the one before gave ("x" at first) and then the tensors named."""
    made, before = [], "x"
    for index, (kind, names, attributes) in enumerate(nodes):
        made.append(helper.make_node(kind, [before, *names], [f"t{index}"], f"n{index}", **attributes))
        before = f"t{index}"
    graph = helper.make_graph(
        made, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def loaded(tmp_path: Path, proto: onnx.ModelProto) -> Conventional:
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return load_onnx(path)


def refused(tmp_path: Path, proto: onnx.ModelProto) -> str:
    with pytest.raises(RanvierError) as caught:
        loaded(tmp_path, proto)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'm.onnx'}: ") and message.isprintable()
    return message


def tensors(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"w": rng.normal(size=(4, 3)).astype(np.float32), "b": rng.normal(size=3).astype(np.float32),
            "v": rng.normal(size=(3, 2)).astype(np.float32), "lo": np.float32(0), "hi": np.float32(1.5)}


X = np.random.default_rng(1).random((5, 4))
HEAD: list[Node] = [("Gemm", ("w", "b"), {}), ("Clip", ("lo", "hi"), {})]
TAIL: list[Node] = [("MatMul", ("v",), {})]


def test_reads_a_chain(tmp_path: Path) -> None:
    t = tensors()
    net = loaded(tmp_path, model([*HEAD, *TAIL], t))
    assert [layer.name for layer in net.layers] == ["n0", "n2"] and net.input_size == 4
    assert net.layers[0].activation == Clip(1.5) and net.layers[1].activation is None
    wanted = np.clip(X @ t["w"].astype(float) + t["b"], 0, 1.5) @ t["v"].astype(float)
    np.testing.assert_allclose(net.forward(X), wanted, rtol=1e-12)
    np.testing.assert_allclose(net.preactivations(X)[0], X @ t["w"].astype(float) + t["b"], rtol=1e-12)


def test_gemm_alpha_beta_and_transposition(tmp_path: Path) -> None:
    t = tensors()
    t["w"] = np.ascontiguousarray(t["w"].T)
    net = loaded(tmp_path, model([("Gemm", ("w", "b"), {"alpha": 0.5, "beta": 2.0, "transB": 1})], t))
    np.testing.assert_allclose(net.forward(X), 0.5 * (X @ t["w"].T) + 2 * t["b"], rtol=1e-6)


def test_matmul_add_relu_flatten_reshape_identity_dropout_softmax(tmp_path: Path) -> None:
    t = tensors()
    t["shape"] = np.array([-1, 4])
    net = loaded(tmp_path, model(
        [("Flatten", (), {}), ("Reshape", ("shape",), {}), ("MatMul", ("w",), {}), ("Add", ("b",), {}),
         ("Relu", (), {}), ("Dropout", (), {}), ("Identity", (), {}), *TAIL, ("Softmax", (), {})],
        t, ("batch", 1, 2, 2)))
    assert net.layers[0].activation == Relu() and any("left out" in note for note in net.notes)
    np.testing.assert_allclose(net.forward(X), np.maximum(X @ t["w"] + t["b"], 0) @ t["v"], rtol=1e-6)


@pytest.mark.parametrize("place", ["input", "linear", "activation"])
def test_batch_normalisation_is_folded(tmp_path: Path, place: str) -> None:
    size = 4 if place == "input" else 3
    t, rng = tensors(), np.random.default_rng(2)
    gain, offset, mean = (rng.normal(size=size).astype(np.float32) for _ in range(3))
    variance = rng.random(size).astype(np.float32) + np.float32(0.1)
    t |= {"g": gain, "o": offset, "m": mean, "s": variance}
    norm: Node = ("BatchNormalization", ("g", "o", "m", "s"), {"epsilon": 1e-3})
    nodes = [*HEAD, *TAIL]
    nodes.insert({"input": 0, "linear": 1, "activation": 2}[place], norm)

    def normal(x: Any) -> Any:
        return (x - mean) / np.sqrt(variance + 1e-3) * gain + offset
    value: Any = normal(X) if place == "input" else X
    value = value @ t["w"] + t["b"]
    value = np.clip(normal(value) if place == "linear" else value, 0, 1.5)
    value = (normal(value) if place == "activation" else value) @ t["v"]
    np.testing.assert_allclose(loaded(tmp_path, model(nodes, t)).forward(X), value, rtol=1e-5, atol=1e-6)


def test_old_opset_keeps_clip_bounds_in_attributes(tmp_path: Path) -> None:
    nodes: list[Node] = [("Gemm", ("w", "b"), {}), ("Clip", (), {"min": 0.0, "max": 2.0}), *TAIL]
    assert loaded(tmp_path, model(nodes, tensors(), opset=9)).layers[0].activation == Clip(2.0)


def test_relu_then_clip_is_one_activation_and_infinite_bound_is_relu(tmp_path: Path) -> None:
    nodes: list[Node] = [("Gemm", ("w", "b"), {}), ("Relu", (), {}), ("Clip", ("", "hi"), {}), *TAIL]
    assert loaded(tmp_path, model(nodes, tensors())).layers[0].activation == Clip(1.5)
    endless = loaded(tmp_path, model([*HEAD, *TAIL], tensors() | {"hi": np.float32(np.inf)}))
    assert endless.layers[0].activation == Relu()


def test_constant_nodes(tmp_path: Path) -> None:
    proto = model([*HEAD, *TAIL], tensors())
    graph = proto.graph
    constants = [helper.make_node("Constant", [], [t.name], f"c{t.name}", value=t) for t in graph.initializer]
    nodes = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.node.extend([*constants, *nodes])
    assert loaded(tmp_path, proto).layers[0].activation == Clip(1.5)


@pytest.mark.parametrize(("change", "words"), [
    ({"w": np.full((4, 3), np.nan, np.float32)}, "NaN or infinite"),
    ({"b": np.full(3, np.inf, np.float32)}, "NaN or infinite"),
    ({"w": np.full((4, 3), 1e30, np.float32)}, "beyond"),
    ({"w": np.zeros((5, 3), np.float32)}, "the data before it has 4 values"),
    ({"b": np.zeros(2, np.float32)}, "shapes (batch, 3) and (2,) do not fit"),
    ({"b": np.zeros((5, 3), np.float32)}, "differs from sample to sample"),
    ({"b": np.zeros((2, 1, 3), np.float32)}, "its bias has shape (2, 1, 3)"),
    ({"w": np.zeros((4, 3), np.int64)}, "not floats"),
    ({"w": np.zeros((4, 3, 1), np.float32)}, "its weights are (4, 3, 1)"),
    ({"lo": np.float32(2)}, "upper bound"),
    ({"hi": np.float32(0)}, "upper bound"),
    ({"hi": np.float32(np.nan)}, "must be numbers"),
    ({"hi": np.zeros(3, np.float32)}, "single numbers"),
])
def test_bad_tensors_are_refused_by_node(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    message = refused(tmp_path, model([*HEAD, *TAIL], tensors() | change))
    assert words in message and ("node 'n0' (Gemm)" in message or "node 'n1' (Clip)" in message)


@pytest.mark.parametrize(("nodes", "words"), [
    ([("Conv", ("w",), {})], "node 'n0' (Conv): its data has shape (batch, 4); images of shape (batch, channels, y, x)"),
    ([("MaxPool", (), {"kernel_shape": [2, 2]}), *HEAD], "use average pooling (AveragePool, GlobalAveragePool)"),
    ([("Det", (), {})], "(Det): this operator is not supported; supported are Add, ArgMax"),
    ([*HEAD, ("Sigmoid", (), {}), *TAIL], "node 'n2' (Sigmoid): a spike rate follows a Relu or a Clip"),
    *(([*HEAD[:1], (kind, (), {}), *TAIL], f"node 'n1' ({kind}): a spike rate follows a Relu or a Clip, not this curve; retrain with ReLU "
       "or ReLU6") for kind in ("Tanh", "Gelu", "LeakyRelu", "Elu", "Selu", "Softplus", "Mish")),
    ([("LayerNormalization", ("b",), {}), *HEAD], "BatchNormalization, which is folded"),
    ([("LSTM", ("w", "w"), {})], "recurrent"),
    ([("Relu", (), {}), *HEAD, *TAIL], "node 'n0' (Relu): no dense layer"),
    ([("Gemm", ("w", "b"), {"transA": 1})], "mixes the samples"),
    ([("Gemm", ("w", "b"), {"transB": 1})], "its weights are (3, 4); the data before it has 4 values"),
    ([("Flatten", (), {"axis": 0}), *HEAD, *TAIL], "axis is 0"),
    ([*HEAD, *TAIL, ("Softmax", (), {}), ("Relu", (), {})], "node 'n4' (Relu): nothing may follow node 'n3' (Softmax)"),
    ([*HEAD, *TAIL, ("Softmax", (), {"axis": 0})], "goes over axis 0 of (batch, 2)"),
    ([*HEAD, *TAIL, ("ArgMax", (), {"axis": 0})], "goes over axis 0"),
    ([("Gemm", ("absent", "b"), {})], "is not a constant"),
    ([("Flatten", (), {})], "no dense layer"),
    ([("Gemm", ("w", "b"), {"alpha": float("nan")})], "alpha"),
    ([("Reshape", ("shape",), {}), *HEAD], "its target shape (-1, 5) does not fit data of shape (batch, 4)"),
    ([("Reshape", ("mixed",), {}), *HEAD], "does not fit"),
    ([*HEAD, ("Div", ("zero",), {}), *TAIL], "its divisor 'zero' holds 0"),
    ([*HEAD, ("Mul", ("t0",), {}), *TAIL], "multiplies two branches"),
    ([*HEAD, ("Max", ("t0",), {}), *TAIL], "compares two branches"),
    ([*HEAD, ("Cast", (), {"to": TensorProto.INT64}), *TAIL], "whole numbers"),
    ([*HEAD, ("Clip", ("hi2", "hi3"), {}), *TAIL], "single numbers"),
    ([*HEAD[:1], ("Min", ("hi3",), {}), *TAIL], "bounds some values and leaves others"),
    ([*HEAD[:1], ("Relu", (), {}), ("Min", ("hi3",), {}), *TAIL], "outputs with an upper bound and outputs without"),
])
def test_other_graphs_are_refused_by_node(tmp_path: Path, nodes: list[Node], words: str) -> None:
    more = {"shape": np.array([-1, 5]), "mixed": np.array([2, -1]), "zero": np.float32(0), "hi2": np.float32(2),
            "hi3": np.array([1, np.inf, 2], np.float32)}
    assert words in refused(tmp_path, model(nodes, tensors() | more))


def test_branches_are_added(tmp_path: Path) -> None:
    skip: list[Node] = [("Gemm", ("w", "b"), {}), ("Relu", (), {}), ("MatMul", ("s",), {}), ("Add", ("t1",), {}), *TAIL]
    square = {"s": np.eye(3, dtype=np.float32)}
    net = loaded(tmp_path, model(skip, tensors() | square))    # both ways are linear in the same values: one layer
    t = tensors()
    np.testing.assert_allclose(net.forward(X), np.maximum(X @ t["w"] + t["b"], 0) @ (2 * t["v"]), rtol=1e-6)
    skip.insert(3, ("Relu", (), {}))
    net = loaded(tmp_path, model(skip, tensors() | square))    # an activation in one of them: both are read
    assert [part.source for part in net.layers[-1].synapses] == ["n2", "n0"]
    np.testing.assert_allclose(net.forward(X), np.maximum(X @ t["w"] + t["b"], 0) @ (2 * t["v"]), rtol=1e-6)


def test_weights_times_data_and_surplus_inputs_are_refused(tmp_path: Path) -> None:
    proto = model([*HEAD, *TAIL], tensors())
    proto.graph.node[2].input[:] = ["v", "t1"]
    assert "mixes the samples" in refused(tmp_path, proto)
    proto.graph.node[2].input[:] = ["t1", "v", "b"]
    assert "it has 3 inputs" in refused(tmp_path, proto)


def test_unflattened_picture_is_refused(tmp_path: Path) -> None:
    assert "put a Flatten before it" in refused(tmp_path, model([*HEAD, *TAIL], tensors(), ("batch", 1, 2, 2)))


def test_lying_shape_is_refused_before_allocation(tmp_path: Path) -> None:
    proto = model([*HEAD, *TAIL], tensors())
    proto.graph.initializer[0].dims[:] = [1 << 30, 1 << 30]
    assert "does not fit its data" in refused(tmp_path, proto)


def test_names_in_messages_stay_on_one_line_and_layers_get_plain_ones(tmp_path: Path) -> None:
    proto = model([*HEAD, *TAIL], tensors())
    proto.graph.node[0].name = proto.graph.node[2].name = "a b\n\u2028" + "c" * 100
    net = loaded(tmp_path, proto)
    assert net.layers[0].name.startswith("a_b__ccc") and net.layers[0].name != net.layers[1].name
    proto.graph.node[0].op_type = "Co\nnv"
    refused(tmp_path, proto)


def test_constant_numbers(tmp_path: Path) -> None:
    nodes: list[Node] = [("Reshape", ("shape",), {}), *HEAD, *TAIL]
    proto = model(nodes, {name: value for name, value in tensors().items() if name != "hi"}, ("batch", 1, 2, 2))
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["shape"], "c0", value_ints=[0, 4]))
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["hi"], "c1", value_float=2.0))
    assert loaded(tmp_path, proto).layers[0].activation == Clip(2.0)
    proto.graph.node[0].attribute[0].type = onnx.AttributeProto.STRING
    proto.graph.node[0].attribute[0].name = "value_string"
    assert "node 'c1' (Constant): it is not a constant tensor" in refused(tmp_path, proto)


def test_names_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model([*HEAD, *TAIL], tensors()).SerializeToString().replace(b"n0", b"\xff0"))
    with pytest.raises(RanvierError, match="a name is not text"):
        load_onnx(path)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08", b"\xff" * 100])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(RanvierError, match="not an ONNX file"):
        load_onnx(path)


def test_missing_file_folder_and_oversized_file(tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match="no such file"):
        load_onnx(tmp_path / "absent.onnx")
    with pytest.raises(RanvierError, match="not a regular file"):
        load_onnx(tmp_path)
    path = tmp_path / "big.onnx"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(RanvierError, match="larger than 256 MiB"):
        load_onnx(path)


def test_opset_and_functions(tmp_path: Path) -> None:
    assert "opset_import" in refused(tmp_path, model([*HEAD, *TAIL], tensors(), opset=6))
    proto = model([*HEAD, *TAIL], tensors())
    proto.functions.add().name = "Gemm"
    assert "functions" in refused(tmp_path, proto)


def test_wrong_picture_shape() -> None:
    with pytest.raises(RanvierError, match=r"needs \(n, 4\)"):
        Conventional("m", 4, ()).forward(np.zeros((2, 5)))


def test_bounds_in_either_order_are_one_clip_whose_zero_is_silent(tmp_path: Path) -> None:
    t = tensors()
    wanted = np.clip(X @ t["w"] + t["b"], 0, 1.5) @ t["v"]
    for ends in (["Max", "Min"], ["Min", "Max"], ["Relu", "Min"], ["Min", "Relu"]):
        bound = {"Max": ("lo",), "Min": ("hi",), "Relu": ()}
        net = loaded(tmp_path, model([HEAD[0], *((end, bound[end], {}) for end in ends), *TAIL], t))
        assert net.layers[0].activation == Clip(1.5)
        np.testing.assert_allclose(net.layers[0].weight, t["w"], rtol=1e-6)
        np.testing.assert_allclose(net.forward(X), wanted, rtol=1e-5, atol=1e-6)


def test_bounds_that_are_not_zero_are_shifted(tmp_path: Path) -> None:
    t = tensors() | {"lo": np.float32(-1), "hi": np.float32(1)}
    net = loaded(tmp_path, model([*HEAD, *TAIL], t))    # HardTanh
    assert net.layers[0].activation == Clip(2.0)
    np.testing.assert_allclose(net.forward(X), np.clip(X @ t["w"] + t["b"], -1, 1) @ t["v"], rtol=1e-5, atol=1e-6)


def test_bounds_of_each_channel_become_one(tmp_path: Path) -> None:
    t = tensors() | {"high": np.array([0.1, 0.5, 0.9], np.float32)}
    net = loaded(tmp_path, model([HEAD[0], ("Relu", (), {}), ("Min", ("high",), {}), *TAIL], t))
    assert net.layers[0].activation == Clip(1.0)
    np.testing.assert_allclose(net.forward(X), np.clip(X @ t["w"] + t["b"], 0, t["high"]) @ t["v"], rtol=1e-5, atol=1e-6)


def test_a_bounded_end_keeps_its_layer(tmp_path: Path) -> None:
    t = tensors()
    net = loaded(tmp_path, model(HEAD, t))
    assert [layer.activation for layer in net.layers] == [Clip(1.5), None] and any("layer that reads it was added" in n for n in net.notes)
    np.testing.assert_allclose(net.forward(X), np.clip(X @ t["w"] + t["b"], 0, 1.5), rtol=1e-6)


def test_hard_sigmoid_is_a_clip(tmp_path: Path) -> None:
    t = tensors()
    net = loaded(tmp_path, model([HEAD[0], ("HardSigmoid", (), {"alpha": 0.25, "beta": 0.4}), *TAIL], t))
    np.testing.assert_allclose(net.forward(X), np.clip(0.25 * (X @ t["w"] + t["b"]) + 0.4, 0, 1) @ t["v"], rtol=1e-5, atol=1e-6)


def test_a_batch_that_the_file_fixes(tmp_path: Path) -> None:
    t = tensors()
    assert loaded(tmp_path, model([*HEAD, *TAIL], t, (8, 4))).input_size == 4
    whole = loaded(tmp_path, model([("Reshape", ("row",), {}), ("MatMul", ("big",), {})], {
        "row": np.array([1, 8]), "big": np.ones((8, 2), np.float32)}, (2, 4)))
    assert whole.input_size == 8 and any("are one sample" in note for note in whole.notes)


def test_unknown_sizes_and_several_inputs_are_refused(tmp_path: Path) -> None:
    assert "its shape is (?, ?)" in refused(tmp_path, model([*HEAD, *TAIL], tensors(), ("a", "b")))
    proto = model([*HEAD, ("Add", ("y",), {}), *TAIL], tensors())
    proto.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]))
    assert "2 inputs that are used ('x', 'y')" in refused(tmp_path, proto)
    del proto.graph.node[:]
    assert "no nodes" in refused(tmp_path, proto)


def test_an_input_of_bytes_says_so(tmp_path: Path) -> None:
    proto = model([("Cast", (), {"to": TensorProto.FLOAT}), *HEAD, *TAIL], tensors())
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    net = loaded(tmp_path, proto)
    assert any("whole numbers as they are" in note for note in net.notes)


def test_a_model_in_memory_and_wrong_types() -> None:
    assert load_onnx(model([*HEAD, *TAIL], tensors())).source == "g"
    for wrong in (None, 3, ["m.onnx"], b"m.onnx"):
        with pytest.raises(RanvierError, match="load_onnx: it was given a .*; give a path or an onnx.ModelProto"):
            load_onnx(wrong)  # type: ignore[arg-type]
    with pytest.raises(RanvierError, match="output is a int"):
        load_onnx(model([*HEAD, *TAIL], tensors()), 3)  # type: ignore[arg-type]


def test_a_slice_that_turns_the_values_round(tmp_path: Path) -> None:
    t = tensors() | {"from": np.array([-1]), "to": np.array([-(1 << 62)]), "axis": np.array([1]), "step": np.array([-1])}
    net = loaded(tmp_path, model([("Slice", ("from", "to", "axis", "step"), {}), *HEAD, *TAIL], t))
    np.testing.assert_array_equal(net.layers[0].weight, t["w"][::-1])
