"""Random graphs over the operators that are read give what onnxruntime gives."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

from ranvier.frontends.onnx import load_onnx
from tests.frontends.graphs import difference, random_case


def compare(seeds: range) -> Counter[str]:
    """Compare the graphs of ``seeds``; how often each operator was in them."""
    used: Counter[str] = Counter()
    for seed in seeds:
        case = random_case(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network = load_onnx(case.model)
            far = difference(case, network.forward(case.x))
        assert far <= case.tolerance, f"seed {seed}: the import differs from onnxruntime by {far:.3g} of the largest output"
        used += case.used
    return used


@pytest.mark.parametrize("block", range(6))
def test_random_graphs(block: int) -> None:
    compare(range(50 * block, 50 * block + 50))


@pytest.mark.verify
def test_two_thousand_random_graphs() -> None:
    used = compare(range(10000, 12000))
    wanted = {"Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Clip", "Relu", "MatMul", "Gemm", "BatchNormalization", "Cast", "Concat",
              "DequantizeLinear", "Dropout", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose",
              "Unsqueeze", "Sigmoid", "Softmax", "LogSoftmax", "ArgMax"}
    assert set(used) == wanted and min(used.values()) >= 30, used
