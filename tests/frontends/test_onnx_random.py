"""Random graphs over the operators that are read give what onnxruntime gives; `tests/verify/test_onnx_graphs.py` has more of them."""

from __future__ import annotations

import pytest

from tests.frontends.graphs import compare


@pytest.mark.parametrize("block", range(6))
def test_random_graphs(block: int) -> None:
    compare(range(50 * block, 50 * block + 50))
