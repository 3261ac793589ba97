"""2,000 random graphs over the operators that `load_onnx` reads give what onnxruntime gives."""

from __future__ import annotations

import pytest

from tests.frontends.graphs import compare

pytestmark = pytest.mark.verify


def test_two_thousand_random_graphs() -> None:
    used = compare(range(10000, 12000))
    wanted = {"Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Clip", "Relu", "MatMul", "Gemm", "BatchNormalization", "Cast", "Concat",
              "DequantizeLinear", "Dropout", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose",
              "Unsqueeze", "Sigmoid", "Softmax", "LogSoftmax", "ArgMax"}
    assert set(used) == wanted and min(used.values()) >= 100, used
