"""Convolution, pooling and branches in ONNX files: what onnxruntime gives, in as few weights as there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from tests.frontends.convolutions import compare_convolutions
from tests.frontends.graphs import run_onnx


@pytest.mark.parametrize("block", range(4))
def test_random_convolutional_graphs(block: int) -> None:
    compare_convolutions(range(50 * block, 50 * block + 50))


def one_node(operator: str, shape: tuple[int, ...], weight: tuple[int, ...] | None = None, bias: int = 0,
             **attributes: Any) -> onnx.ModelProto:
    """A graph of one node."""
    tensors = [] if weight is None else [numpy_helper.from_array(np.ones(weight, np.float32), "w")]
    tensors += [numpy_helper.from_array(np.ones(bias, np.float32), "b")] if bias else []
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *(tensor.name for tensor in tensors)], ["y"], "node", **attributes)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("model", "words"), [
    (one_node("Conv", (2, 5, 5, 5), (4, 2, 3, 3, 3)), "images of shape (batch, channels, y, x)"),
    (one_node("Conv", (2, 5, 5), (4, 3, 3, 3)), "in 1 groups, its data has 2 channels"),
    (one_node("Conv", (4, 5, 5), (6, 1, 3, 3), group=4), "in 4 groups, its data has 4 channels"),
    (one_node("Conv", (4, 5, 5), (6, 1, 3, 3), group=0), "in 0 groups"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), kernel_shape=[3, 2]), "kernel_shape is not that of its weights"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), pads=[0, -1, 0, 0]), "its pads are [0, -1, 0, 0]"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), pads=[1, 1]), "4 numbers that are not negative"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), strides=[0, 1]), "its strides are [0, 1]; they must be 2 numbers of at least 1"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), dilations=[3, 1]), "its kernel spans 7 x 3 pixels"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), auto_pad="SAME"), "its auto_pad is 'SAME'"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), bias=3), "its bias has shape (3,); it must be (4,)"),
    (one_node("Conv", (2, 5, 5), (4, 2, 3, 3), pads=[4096] * 4), "at most"),
    (one_node("AveragePool", (2, 5, 5), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), "windows that reach beyond the image"),
    (one_node("AveragePool", (2, 5, 5), kernel_shape=[2, 2], pads=[2, 0, 0, 0]), "as many pixels as its kernel spans"),
    (one_node("AveragePool", (2, 5, 5)), "no kernel_shape"),
    (one_node("MaxPool", (2, 4, 4), kernel_shape=[2, 2]), "use average pooling"),
    (one_node("GlobalMaxPool", (2, 4, 4)), "use average pooling"),
])
def test_bad_windows_are_refused_by_node(model: onnx.ModelProto, words: str) -> None:
    with pytest.raises(RanvierError) as caught:
        load_onnx(model)
    message = str(caught.value)
    assert words in message and "node 'node'" in message and "\n" not in message, message


def test_pooling_that_a_kernel_pads_is_a_layer_of_its_own() -> None:
    """Means of overlapping windows at the border are not those of zeros, so the next kernel cannot be joined with them."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in (("a", (3, 2, 3, 3)), ("b", (2, 3, 3, 3)))}
    nodes = [helper.make_node("Conv", ["x", "a"], ["1"], "first"), helper.make_node("Relu", ["1"], ["2"], "relu"),
             helper.make_node("AveragePool", ["2"], ["3"], "pool", kernel_shape=[3, 3], strides=[1, 1]),
             helper.make_node("Conv", ["3", "b"], ["4"], "second", pads=[1, 1, 1, 1])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 8, 8])],
                              [helper.make_tensor_value_info("4", TensorProto.FLOAT, None)],
                              [numpy_helper.from_array(array, name) for name, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    network = load_onnx(model)
    assert [(layer.name, layer.shape) for layer in network.layers[:2]] == [("first", (6, 6, 3)), ("pool", (4, 4, 3))]
    assert network.layers[1].synapses[0].groups == 3 and any("the pooling is a layer of its own" in note for note in network.notes)
    x = rng.normal(size=(4, 2, 8, 8)).astype(np.float32)
    wanted = run_onnx(model, x)[0].reshape(4, -1)
    np.testing.assert_allclose(network.forward(x.reshape(4, -1)), wanted, atol=1e-5 * np.abs(wanted).max())
