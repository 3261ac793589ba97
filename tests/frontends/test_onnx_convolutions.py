"""Convolution, pooling and branches in ONNX files: what onnxruntime gives, in as few weights as there are."""

from __future__ import annotations

import pytest

from tests.frontends.convolutions import compare_convolutions


@pytest.mark.parametrize("block", range(4))
def test_random_convolutional_graphs(block: int) -> None:
    compare_convolutions(range(50 * block, 50 * block + 50))
