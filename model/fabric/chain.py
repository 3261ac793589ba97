"""The configuration chain: where along it each memory of a unit meets the host's accesses."""

from __future__ import annotations

from functools import cache

from .config import FabricConfig
from .layout import Memory, MemoryLayout, memory_map

__all__ = ["PART_CHUNKS", "access_latency", "chain_length", "chain_stages", "parts_of", "read_latency"]

#: Chunks whose answers one stage takes in: with what comes from the stage before they are the four inputs of a LUT.
PART_CHUNKS = 3


def parts_of(layout: MemoryLayout) -> int:
    """Parts of a memory that are at different places of the chain: so many chunks of a word each, the lowest first."""
    return -(-layout.chunks // PART_CHUNKS)


def chain_stages(config: FabricConfig, unit: str) -> list[list[tuple[Memory, int]]]:
    """The parts of a ``core``'s or the ``input`` unit's memories (memory, number of the part), stage by stage.

    The order is that of the memories' numbers, the counters last. The first stage, which has none before it, has room for one chunk
    more.
    """
    return _stages(tuple((layout.memory, layout.chunks) for layout in memory_map(config, unit).values()))


@cache
def _stages(memories: tuple[tuple[Memory, int], ...]) -> list[list[tuple[Memory, int]]]:
    stages: list[list[tuple[Memory, int]]] = [[]]
    room = PART_CHUNKS + 1
    for memory, chunks in (*memories, (Memory.COUNTERS, 1)):
        for part, first in enumerate(range(0, chunks, PART_CHUNKS)):
            answers = min(chunks - first, PART_CHUNKS)
            if answers > room:
                stages.append([])
                room = PART_CHUNKS
            stages[-1].append((memory, part))
            room -= answers
    return stages


def chain_length(config: FabricConfig) -> int:
    """Stages of the longest unit. The ticker comes after all of them, and every read takes as long as one of the last stage."""
    return max(len(chain_stages(config, unit)) for unit in ("core", "input"))


def access_latency(config: FabricConfig) -> int:
    """Clocks from a write of the ticker's command register to the first in which `running` shows it."""
    return 4 + chain_length(config)


def read_latency(config: FabricConfig) -> int:
    """Clocks from a read on the configuration port to its value."""
    return 7 + chain_length(config)
