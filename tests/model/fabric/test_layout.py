"""Word formats and memories: they hold what any fabric can need, and addresses do not overlap."""

from __future__ import annotations

import pytest

from ranvier.model.fabric.config import LEAST_CORE, LEAST_FABRIC, LEAST_INPUT, CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import CHUNK_BITS, OFFSET_BITS, Memory, bank_words, drive_fields, memory_map, row_word, segment_word

LEAST = FabricConfig(core=CoreConfig(**LEAST_CORE), input=InputConfig(**LEAST_INPUT), **LEAST_FABRIC)
FABRICS = {
    "standard": FabricConfig(),
    "least": LEAST,
    "sixteen cores": FabricConfig(cores=16, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2)),
}


@pytest.mark.parametrize("config", FABRICS.values(), ids=FABRICS)
@pytest.mark.parametrize("unit", ["core", "input"])
def test_words_hold_the_last_address_of_every_memory(config: FabricConfig, unit: str) -> None:
    part = config.core if unit == "core" else config.input
    widths = {f.name: f.bits for f in row_word(config, unit).fields}
    for name, depth in (("state_base", part.state_depth), ("drive_base", part.drive_depth), ("dynamics_base", part.dynamics_depth),
                        ("word_address", config.spike_depth), ("level", config.levels)):
        assert depth - 1 < 1 << widths[name], name
    widths = {f.name: f.bits for f in segment_word(config).fields}
    for name, most in (("base", config.spike_depth - 1), ("weight_base", config.core.weight_depth - 1), ("row", config.core.row_depth - 1),
                       ("neurons", config.core.lanes), ("hold", config.most_hold), ("delay", config.delays)):
        assert most < 1 << widths[name], name


@pytest.mark.parametrize("config", FABRICS.values(), ids=FABRICS)
@pytest.mark.parametrize("unit", ["core", "input"])
def test_every_chunk_of_a_memory_has_an_address_of_its_own(config: FabricConfig, unit: str) -> None:
    for memory, layout in memory_map(config, unit).items():
        assert layout.memory is memory
        assert (layout.chunks - 1) * CHUNK_BITS < layout.bits <= layout.chunks * CHUNK_BITS
        assert layout.chunks <= layout.chunk_step < 2 * layout.chunks and layout.depth * layout.chunk_step <= 1 << OFFSET_BITS
        assert not layout.columns or sum(bits for _, bits in layout.columns) == layout.bits


def test_units_have_the_memories_that_they_need() -> None:
    core, source = memory_map(FabricConfig(), "core"), memory_map(FabricConfig(), "input")
    assert set(core) - set(source) == {Memory.PROGRAM, Memory.WEIGHTS, Memory.SPIKES, Memory.READOUT}
    assert set(source) - set(core) == {Memory.INPUTS} and Memory.COUNTERS not in core | source


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 255, 256, 257])
def test_a_bank_is_the_highest_bit_of_the_address(depth: int) -> None:
    step = bank_words(depth)
    assert step >= depth and step & (step - 1) == 0 and step < 2 * max(depth, 2)


def test_drive_fields_are_signed_state_words() -> None:
    config = FabricConfig(state_bits=20)
    assert [(f.name, f.bits, f.signed) for f in drive_fields(config, "core")] == [(n, 20, True) for n in ("theta", "bias", "v_init")]
