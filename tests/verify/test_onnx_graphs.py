"""2,000 random graphs, and 2,000 with convolutions, over the operators that `load_onnx` reads give what onnxruntime gives."""

from __future__ import annotations

import pytest

from tests.frontends.convolutions import compare_convolutions
from tests.frontends.graphs import compare

pytestmark = pytest.mark.verify


def test_two_thousand_random_graphs() -> None:
    used = compare(range(10000, 12000))
    wanted = {"Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Clip", "Relu", "MatMul", "Gemm", "BatchNormalization", "Cast", "Concat",
              "DequantizeLinear", "Dropout", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose",
              "Unsqueeze", "Sigmoid", "Softmax", "LogSoftmax", "ArgMax"}
    assert set(used) == wanted and min(used.values()) >= 100, used


def test_two_thousand_random_convolutional_graphs() -> None:
    used, forms = compare_convolutions(range(20000, 22000))
    often = ("Conv", "AveragePool", "GlobalAveragePool", "BatchNormalization", "Relu", "Clip", "Add")
    assert min(used[name] for name in often) >= 100, used
    assert set(forms) == {"matrix", "depthwise", "grouped", "convolution", "branches", "padded", "strided", "dilated"}, forms
    assert min(forms.values()) >= 20, forms
