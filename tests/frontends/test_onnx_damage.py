"""Graphs that are damaged in their structure end in one line, or in a network that can be run."""

from __future__ import annotations

import random
import warnings
from functools import cache

import numpy as np
import onnx
import pytest

from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from tests.frontends.graphs import random_case

OPERATORS = ("Softmax", "Sigmoid", "ArgMax", "Relu", "Min", "Shape", "Concat", "Gather", "Slice", "Reshape", "Squeeze", "Unsqueeze", "Sub",
             "Div", "Transpose", "MatMul", "QuantizeLinear", "DequantizeLinear", "Cast", "Greater", "Expand",
             "ConstantOfShape", "Round", "Sum")


@cache
def originals() -> tuple[bytes, ...]:
    return tuple(random_case(30000 + seed).model.SerializeToString() for seed in range(24))


def damaged(rng: random.Random) -> onnx.ModelProto:
    """One of the originals with up to three things exchanged."""
    model = onnx.load_model_from_string(rng.choice(originals()))
    graph = model.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    for _ in range(rng.randint(1, 3)):
        node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
        kind = rng.randrange(8)
        if kind == 0 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "x"])
        elif kind == 1:
            node.op_type = rng.choice(OPERATORS)
        elif kind == 2:
            sizes = [rng.choice((0, 1, 2, 3, 4, 1 << 20, 1 << 40)) for _ in range(rng.randint(0, 4))]
            tensor.dims[:] = sizes if rng.random() < 0.5 else sorted(tensor.dims)
        elif kind == 3 and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice((-5, -1, 0, 1, 2, 7, 1 << 40))
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice((-3, -1, 0, 1, 5, 1 << 62))
        elif kind == 4:
            rng.choice(graph.input[0].type.tensor_type.shape.dim).dim_value = rng.choice((0, 1, 2, 3, 6, 1 << 30))
        elif kind == 5:
            graph.output[0].name = rng.choice(names)
        elif kind == 6:
            name, other = tensor.name, onnx.TensorProto()
            other.CopyFrom(rng.choice(graph.initializer))
            tensor.CopyFrom(other)
            tensor.name = name
        else:
            model.opset_import[0].version = rng.choice((7, 11, 13, 20))
    return model


@pytest.mark.parametrize("block", range(4))
def test_damaged_graphs(block: int) -> None:
    read = 0
    for seed in range(150 * block, 150 * block + 150):
        model = damaged(random.Random(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                network = load_onnx(model)
                assert np.isfinite(network.forward(np.full((2, network.input_size), 0.5))).all(), f"seed {seed}"
                read += 1
            except RanvierError as error:
                message = str(error)
                assert message.startswith("model: ") and message.isprintable() and len(message) < 1000, f"seed {seed}: {message}"
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
    assert 5 < read < 100    # some damage is harmless, most is not
