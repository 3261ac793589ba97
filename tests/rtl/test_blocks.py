"""Every block against its model, in cocotb benches that share one build."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench

BLOCKS = ("memory", "counters", "lanes", "scanner", "sequencer", "sweep", "ring", "ticker", "input_unit")


@pytest.mark.parametrize("block", BLOCKS)
def test_block(block: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("blocks", block, simulator, folder=tmp_path, seed=seed) >= 1
