"""Every block against its model, in cocotb benches that share one build for each of two forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench
from ranvier.sim.window_blocks import WIDE

BLOCKS = ("memory", "counters", "lanes", "scanner", "sequencer", "sweep", "ring", "ticker", "input_unit", "chain", "readback")


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("top", ["blocks", "blocks_up5k"])
def test_block(top: str, block: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench(top, block, simulator, folder=tmp_path, seed=seed) >= 1


@pytest.mark.verify
@pytest.mark.whole
@pytest.mark.parametrize("top", ["wide", "wide_up5k"])
def test_lanes_of_the_widest_core(top: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench(top, "lanes", simulator, folder=tmp_path, seed=seed) == len(WIDE)


#: Benches of `ranvier.rtl.link`, and the tests that each has.
LINK_BENCHES = {"link_uart": 5, "link_framing": 3, "link_buffer": 3, "link_recorder": 4, "link_interpreter": 5}


@pytest.mark.parametrize("bench", LINK_BENCHES)
def test_link(bench: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("link", bench, simulator, folder=tmp_path, seed=seed) == LINK_BENCHES[bench]
