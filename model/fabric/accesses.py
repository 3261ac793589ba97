"""What every memory of a fabric is read and written for in a run, from the placement, the cycle model's counters and the clocks.

A read is a word that a block asked for and used, a write a word that was stored. Most read ports are enabled in every clock, so that a
memory gives words that nobody takes; those are in `Accesses.clocks` only.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cycles import Cycles
from .layout import Counter, Memory, memory_map
from .placement import Placement

__all__ = ["Access", "Accesses", "count_accesses"]


@dataclass(frozen=True)
class Access:
    """Words of ``bits``, of ``depth`` in the memory, that were read and written; the host writes ``INPUTS`` in pieces of ``write_bits``."""

    unit: int
    memory: Memory
    bits: int
    depth: int
    reads: int
    writes: int
    write_bits: int


@dataclass(frozen=True, eq=False)
class Accesses:
    """``memories``: an `Access` for each memory of each unit, but the counters', which measure and take no part in what is measured.

    ``hops``: registers of the ring that spike words passed. ``busy``: for each unit the clocks in which it or its ring node had work, of
    ``clocks`` in all, which are those of the ticks.
    """

    memories: tuple[Access, ...]
    hops: int
    busy: tuple[int, ...]
    clocks: int


def count_accesses(placement: Placement, cycles: Cycles, steps: int, windows: int, *, per_step: bool = False) -> Accesses:
    """Accesses of the run that ``cycles`` predicts: ``windows`` windows of ``steps`` steps.

    ``per_step``: the host gives new values in each step, not in each window. Exact for the standard form of the RTL; other forms read rows
    and program ahead, and a ring of two nodes may have one register.
    """
    config, ticks = placement.config, cycles.clocks.size
    taken = steps * windows
    words = int(cycles.counters[:, Counter.SPIKE_WORDS].sum())
    found = []
    for unit, rows in enumerate(placement.units):
        kind = config.unit(unit)
        counts = cycles.counters[unit]
        groups = int(counts[Counter.STATE_READS])
        # The program's END, and the row behind the list's last one, are read too.
        done: dict[Memory, tuple[int, int]] = {
            Memory.STATE: (groups, int(counts[Counter.STATE_WRITES])), Memory.DRIVE: (groups, 0), Memory.DYNAMICS: (groups, 0)}
        if kind == "core":
            segments = [segment for row in rows for segment in row.segments]
            scanned = sum(len(s.words) * max(0, steps - s.source_delay) for s in segments)
            done |= {
                Memory.PROGRAM: (ticks * (len(segments) + 1), 0), Memory.ROWS: (taken * len(rows), 0),
                Memory.WEIGHTS: (int(counts[Counter.WEIGHT_WORDS]), 0), Memory.SPIKES: (windows * scanned, words),
                Memory.READOUT: (0, windows * sum(row.groups for row in rows if not row.spiking))}
        else:
            chunks = memory_map(config, kind)[Memory.INPUTS].chunks
            given = chunks * sum(row.groups for row in rows) * (taken if per_step else windows)
            done |= {Memory.ROWS: (ticks * (len(rows) + 1), 0), Memory.INPUTS: (groups, given)}
        for memory, layout in memory_map(config, kind).items():
            written = -(-layout.bits // layout.chunks) if memory == Memory.INPUTS else layout.bits
            found.append(Access(unit, memory, layout.bits, layout.depth, *done[memory], written))
    return Accesses(tuple(found), words * config.nodes, tuple(int(n) for n in cycles.busy), int(cycles.clocks.sum()))
