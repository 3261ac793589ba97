"""Every block against its model, in cocotb benches that share one build."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench

BLOCKS = ("memory", "counters", "lanes", "scanner", "sequencer", "sweep", "ring", "ticker", "input_unit")


@pytest.mark.parametrize("block", BLOCKS)
def test_block(block: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("blocks", block, simulator, folder=tmp_path, seed=seed) >= 1


#: Benches of `ranvier.rtl.link`, and the tests that each has.
LINK_BENCHES = {"link_uart": 5, "link_framing": 3, "link_buffer": 3, "link_recorder": 4, "link_interpreter": 4}


@pytest.mark.parametrize("bench", LINK_BENCHES)
def test_link(bench: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("link", bench, simulator, folder=tmp_path, seed=seed) == LINK_BENCHES[bench]
