"""Sweep, ring and input unit of fabrics with options, in two forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench
from ranvier.sim.neuron_blocks import SWEEPS

#: Benches, and the tests that each has.
BENCHES = {"sweep": len(SWEEPS), "ring": 2, "input_unit": 1}


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("top", ["options", pytest.param("options_up5k", marks=(pytest.mark.verify, pytest.mark.whole))])
def test_block(top: str, bench: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench(top, bench, simulator, folder=tmp_path, seed=seed) == BENCHES[bench]
