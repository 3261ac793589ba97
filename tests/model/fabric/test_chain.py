"""The configuration chain: every chunk has one place, and no stage takes in more than a LUT's inputs."""

from __future__ import annotations

import pytest

from ranvier.boards import BOARDS
from ranvier.model.fabric.chain import PART_CHUNKS, access_latency, chain_length, chain_stages, parts_of, read_latency
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import Memory, memory_map

_FABRICS = {"standard": FabricConfig(), **{name: board.fabric for name, board in BOARDS.items()}}


@pytest.mark.parametrize("unit", ["core", "input"])
@pytest.mark.parametrize("name", _FABRICS)
def test_every_part_has_one_place(name: str, unit: str) -> None:
    config = _FABRICS[name]
    found = [place for stage in chain_stages(config, unit) for place in stage]
    layouts = memory_map(config, unit)
    assert found == [*((memory, part) for memory, layout in layouts.items() for part in range(parts_of(layout))), (Memory.COUNTERS, 0)]


@pytest.mark.parametrize("unit", ["core", "input"])
@pytest.mark.parametrize("name", _FABRICS)
def test_no_stage_has_more_answers_than_a_lut_has_inputs(name: str, unit: str) -> None:
    config = _FABRICS[name]
    chunks = {memory: layout.chunks for memory, layout in memory_map(config, unit).items()} | {Memory.COUNTERS: 1}
    for number, stage in enumerate(chain_stages(config, unit)):
        answers = sum(min(PART_CHUNKS, chunks[memory] - part * PART_CHUNKS) for memory, part in stage)
        assert 0 < answers + bool(number) <= 4, f"stage {number} of {unit}: {stage}"


def test_the_longest_unit_decides() -> None:
    config = FabricConfig()
    lengths = {len(chain_stages(config, unit)) for unit in ("core", "input")}
    assert chain_length(config) == max(lengths)
    assert (access_latency(config), read_latency(config)) == (4 + max(lengths), 7 + max(lengths))
