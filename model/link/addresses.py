"""How far the memories reach that a host addresses: what lies behind is refused, by the driver and by the device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..fabric.config import FabricConfig
from ..fabric.layout import Control, Counter, Memory, memory_map
from .identity import IDENTITY_WORDS
from .protocol import LinkMemory, Register, link_unit, record_chunks

__all__ = ["addresses_of", "unit_kinds"]


def addresses_of(config: FabricConfig, record_depth: int) -> Mapping[str, Mapping[int, int]]:
    """For each kind of unit (`unit_kinds`) its memories by number, and the addresses of each: offsets from 0 to that number less 1.

    A memory word takes up `MemoryLayout.chunk_step` addresses, of which those behind its last chunk read as 0 and keep nothing. Of
    the input values the host addresses one bank, the one that is free.
    """
    found: dict[str, dict[int, int]] = {}
    for kind in ("core", "input"):
        layouts = memory_map(config, kind)
        found[kind] = {int(memory): layout.depth * layout.chunk_step for memory, layout in layouts.items()}
        found[kind][Memory.COUNTERS] = len(Counter)
    found["input"][Memory.INPUTS] = config.input.state_depth * memory_map(config, "input")[Memory.INPUTS].chunk_step
    found["ticker"] = {0: len(Control)}
    found["link"] = {LinkMemory.REGISTERS: len(Register), LinkMemory.RECORD: record_depth * record_chunks(config),
                     LinkMemory.IDENTITY: IDENTITY_WORDS}
    return found


@cache
def unit_kinds(config: FabricConfig) -> tuple[str, ...]:
    """The kind of every unit, by its number: the cores, the input unit, the ticker, the link."""
    kinds = (*("core" for _ in range(config.cores)), "input", "ticker", "link")
    assert len(kinds) == link_unit(config) + 1
    return kinds
