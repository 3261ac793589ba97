"""The cycle model: clocks of every tick, and every counter, from the spikes of each spike word.

It follows each block's own rule (`rtl/scan/sequencer.py`, `scanner.py`, `rtl/sweep/`, `rtl/ring.py`) entry by entry, not clock
by clock, and for all ticks of equal pattern at once. All times are clocks after the tick's start pulse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .config import FabricConfig
from .counters import Counts, empty
from .layout import Counter, Op
from .placement import Part, Placement, Row, Segment
from .timing import DECODE, FIRST_SCAN, JUMP, QUEUE_LATENCY, ROW_LATENCY, TICK_OVERHEAD, settling, trip, word_latency

__all__ = ["Cycles", "predict_cycles"]

Clocks = npt.NDArray[np.int32]
_NEVER = -(1 << 20)
_LATER = 1 << 24


@dataclass(frozen=True, eq=False)
class Cycles:
    """clocks: int32 (runs, ticks), from each tick's start to the next; counters: int64 (units, counters), all runs; busy: int64 (units,),
    clocks of all runs in which a unit or its node of the ring has work."""

    clocks: Clocks
    counters: Counts
    busy: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class _Ticks:
    """Ticks of equal pattern: ``index`` says which of all ticks they are; ``step[level]`` the step in the window, or -1.

    ``first`` is the tick's run's first step among all steps, ``tick`` the tick's number in its run.
    """

    index: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    tick: npt.NDArray[np.int64]


class _Spikes:
    """Spikes of each block in each source step: by population, (steps of all windows, planes, blocks)."""

    def __init__(self, placement: Placement, blocks: dict[str, npt.NDArray[np.integer]]) -> None:
        self._placement, self.blocks = placement, blocks
        self._sums: dict[tuple[str, int], npt.NDArray[np.int32]] = {}    # of all blocks before each, by plane

    def of(self, segment: Segment, ticks: _Ticks) -> npt.NDArray[np.integer]:
        """(ticks, words): what a scan in each of ``ticks`` finds in each of its words, which were written its delay before."""
        plan, part = self._placement.schedule, segment.source
        assert part is not None
        step = ticks.first + (ticks.tick - segment.delay - plan.level[part.population]) // plan.period
        edges = [segment.begin, *(word * part.word_bits for word in segment.words[1:]), segment.end]
        cuts = np.searchsorted(self._placement.blocks[part.population], part.start + part.neurons_before(edges))
        blocks = self.blocks[part.population][:, segment.plane]
        if np.all(np.diff(cuts) == 1):
            return blocks[step, cuts[0]:cuts[-1]]
        key = part.population, segment.plane
        if key not in self._sums:
            sums = np.zeros((len(blocks), blocks.shape[1] + 1), np.int32)
            np.cumsum(blocks, axis=1, out=sums[:, 1:])
            self._sums[key] = sums
        found: npt.NDArray[np.int32] = np.diff(self._sums[key][step[:, None], cuts], axis=1)
        return found

    def blocks_of(self, part: Part) -> slice:
        """The blocks of a part."""
        first, last = np.searchsorted(self._placement.blocks[part.population], [part.start, part.stop])
        return slice(int(first), int(last))


def predict_cycles(placement: Placement, popcounts: Mapping[str, npt.NDArray[np.integer]],
                   clamps: Mapping[str, npt.NDArray[np.integer]], steps: int, *, stream: bool = True) -> Cycles:
    """Predict a run of the fabric.

    ``popcounts`` and ``clamps`` are the golden model's, by the placement's blocks: (batch, steps, planes, blocks) and
    (batch, steps, blocks). With ``stream`` the batch is one run of windows back to back; without, each window is a run of its own, from a
    fabric at rest. Waits for the host are not in the clocks; the hardware counts them apart.
    """
    network, plan = placement.network, placement.schedule
    batch = len(next(iter(clamps.values())))    # which has every population, also those that never spike
    windows, runs = (batch, 1) if stream else (1, batch)
    total = plan.ticks(steps, windows)
    spikes = _Spikes(placement, {name: np.asarray(found).reshape(batch * steps, *np.shape(found)[2:]) for name, found in popcounts.items()})
    ends = np.zeros(runs * total, np.int32)
    counters, busy = empty(len(placement.units)), np.zeros(len(placement.units), np.int64)
    for ticks in _patterns(placement, steps, windows, runs, total):
        for unit, rows in enumerate(placement.units):
            walk = _Core(placement.config, spikes, ticks, counters[unit]) if unit < placement.config.cores else \
                _Input(placement.config, ticks, counters[unit])
            idle = np.broadcast_to(walk.run(rows), ticks.index.shape)
            busy[unit] += int(idle.sum(dtype=np.int64)) - len(idle)    # from the clock after the start on
            ends[ticks.index] = np.maximum(ends[ticks.index], idle)
    for population in network.populations:
        for part in placement.parts[population.name]:
            mine = spikes.blocks_of(part)
            counters[part.unit, Counter.CLAMPS] += int(np.asarray(clamps[population.name])[..., mine].sum())
            if population.spiking:
                counters[part.unit, Counter.SPIKES] += int(spikes.blocks[population.name][..., mine].sum(dtype=np.int64))
    return Cycles((ends + TICK_OVERHEAD).reshape(runs, total), counters, busy)


def _patterns(placement: Placement, steps: int, windows: int, runs: int, total: int) -> list[_Ticks]:
    """Ticks grouped by what every level does in them."""
    plan = placement.schedule
    tick = np.arange(total)
    behind = tick[:, None] - np.arange(plan.depth + 1)
    done = behind // plan.period
    is_open = (behind >= 0) & (behind % plan.period == 0) & (done < steps * windows)
    kinds, which = np.unique(np.where(is_open, done % steps, -1), axis=0, return_inverse=True)
    groups = []
    for kind, step in enumerate(kinds):
        chosen = np.flatnonzero(which.reshape(-1) == kind)
        index = (np.arange(runs)[:, None] * total + chosen).reshape(-1)
        groups.append(_Ticks(index, step, np.repeat(np.arange(runs) * steps, len(chosen)), np.tile(chosen, runs)))
    return groups


class _Ring:
    """Words of one unit entering the ring."""

    def __init__(self, config: FabricConfig, unit: str, count: int) -> None:
        self._nodes, self._planes = config.nodes, config.spike_bits
        self._word_latency = word_latency(config, unit)
        self._trip = trip(config.nodes)
        self._entered = np.full(count, _NEVER, np.int32)
        self.words = 0

    def sweep(self, row: Row, first: Clocks) -> Clocks:
        """The row's groups begin at ``first``; the clock from which the unit's sending is over."""
        for group in (group for group in row.emits for _ in range(self._planes)):
            ready = np.maximum(first + group + self._word_latency, self._entered + 1)
            self._entered = ready + (1 - ready) % self._nodes    # slots come in clocks 1, 1 + nodes, ...
            self.words += 1
        return np.maximum(first + row.groups - 1 + self._word_latency, self._entered + 1 + self._trip)


class _Core:
    """One core through one tick, for all ticks of a pattern."""

    def __init__(self, config: FabricConfig, spikes: _Spikes, ticks: _Ticks, counters: Counts) -> None:
        self._config, self._spikes, self._ticks, self._counters = config, spikes, ticks, counters
        count = len(ticks.index)
        self._ring = _Ring(config, "core", count)
        self._read = np.full(count, _NEVER, np.int32)         # when the entry before was read or pushed
        self._taken = [np.full(count, _NEVER, np.int32)] * (config.queue_depth + 1)  # when recent entries left the queue
        self._read_before = self._read                        # and the one before that
        self._kept: npt.NDArray[np.bool_] | bool = True       # whether these two went into the queue
        self._kept_before: npt.NDArray[np.bool_] | bool = True
        self._free = np.zeros(count, np.int32)                # clock after the last token
        self._first = np.full(count, _LATER, np.int32)        # when the first entry was in hand
        self._hold = np.zeros(count, np.int32)                # when the holding register is free
        self._end = np.zeros(count, np.int32)

    def run(self, rows: tuple[Row, ...]) -> Clocks:
        """First clock in which the core is idle."""
        count = len(self._ticks.index)
        decode: Clocks = np.full(count, DECODE, np.int32)
        for row in rows:
            tau = int(self._ticks.step[row.level])
            for segment in row.segments:
                scans = segment.op == Op.SCAN and segment.source is not None
                if tau >= 0 and scans and tau >= segment.source_delay:
                    words = self._spikes.of(segment, self._ticks)
                    decode = self._scan(row, words, decode, segment.row_last)
                elif tau >= 0 and (segment.op == Op.DOUBLE or segment.row_last):
                    read = self._issue(decode)
                    self._serve(row, read, np.full(count, segment.op == Op.DOUBLE, np.int32), True, segment.row_last)
                    decode = read + 1
                else:
                    decode = decode + (JUMP if segment.again else 1)
        self._count(rows, decode)
        return np.maximum(self._end, decode + 1)

    def _scan(self, row: Row, words: npt.NDArray[np.integer], decode: Clocks, row_last: bool) -> Clocks:
        wanted = decode + FIRST_SCAN
        for n in range(words.shape[1]):
            last = row_last and n == words.shape[1] - 1
            bits = words[:, n].astype(np.int32)
            read = self._issue(wanted)
            self._serve(row, read, bits, True if last else bits > 0, last)
            self._counters[Counter.WEIGHT_WORDS] += bits.sum(dtype=np.int64)
            self._counters[Counter.SYNOPS] += bits.sum(dtype=np.int64) * row.neurons
            wanted = read + 1
        return wanted

    def _issue(self, wanted: Clocks) -> Clocks:
        """The first clock from ``wanted`` on in which the queue has room for what has been read.

        An entry read in one of the two clocks before counts whether it will be kept or not.
        """
        depth, last = self._config.queue_depth, self._read
        # When the queue has room for one more beside the last entry, and beside the last two.
        one = np.where(self._kept, self._taken[depth - 1], self._taken[depth - 2])
        least = self._taken[depth - 3] if depth > 2 else np.int32(_LATER)
        two = np.where(np.logical_and(self._kept, self._kept_before), self._taken[depth - 1],
                       np.where(np.logical_or(self._kept, self._kept_before), self._taken[depth - 2], least))
        behind = np.where(self._read_before == last - 1, two, one)
        read: Clocks = np.where((wanted <= last + 1) & (behind <= last + 1), last + 1, np.where(
            (wanted <= last + 2) & (one <= last + 2), last + 2, np.maximum(np.maximum(wanted, last + 3), self._taken[depth - 1])))
        self._read, self._read_before = read, last
        return read

    def _serve(self, row: Row, read: Clocks, work: Clocks, kept: npt.NDArray[np.bool_] | bool, row_last: bool) -> None:
        """Take an entry in hand and issue its tokens: ``work``, and one that ends the row; where ``kept`` is False there is no entry."""
        taken = np.maximum(read + QUEUE_LATENCY, self._free)
        token = taken + (work if row_last else np.maximum(work, 1) - 1)
        if row_last:
            waits = np.maximum(self._hold - token, 0)
            self._counters[Counter.STALLS] += waits.sum(dtype=np.int64)
            token = token + waits
            self._hold = token + row.hold
            self._sweep(row, token)
        self._kept, self._kept_before = kept, self._kept
        self._first = np.minimum(self._first, np.where(kept, taken, _LATER))
        if kept is True:
            self._taken = [taken, *self._taken[:-1]]
            self._free = token + 1
        else:
            self._taken = [np.where(kept, new, old) for new, old in zip([taken, *self._taken[:-1]], self._taken, strict=True)]
            self._free = np.where(kept, token + 1, self._free)

    def _sweep(self, row: Row, token: Clocks) -> None:
        first = token + ROW_LATENCY
        end = self._ring.sweep(row, first) if row.spiking else first + row.groups + settling(self._config)
        self._end = np.maximum(self._end, end)
        self._counters[[Counter.STATE_READS, Counter.STATE_WRITES]] += row.groups * len(token)

    def _count(self, rows: tuple[Row, ...], decode: Clocks) -> None:
        scanned = np.maximum(self._free - 1, decode) - self._first + 1
        self._counters[Counter.SCAN] += np.maximum(scanned, 0).sum(dtype=np.int64)
        self._counters[Counter.SPIKE_WORDS] += self._ring.words * len(decode)


class _Input:
    """The input unit through one tick: the same for all ticks of a pattern."""

    def __init__(self, config: FabricConfig, ticks: _Ticks, counters: Counts) -> None:
        self._config, self._ticks, self._counters = config, ticks, counters

    def run(self, rows: tuple[Row, ...]) -> Clocks:
        """First clock in which the unit is idle."""
        ring = _Ring(self._config, "input", 1)
        decode, hold, end = DECODE, 0, np.zeros(1, np.int32)
        for row in rows:
            if self._ticks.step[row.level] < 0:
                decode += 1
                continue
            decode = max(decode, hold)
            end = np.maximum(end, ring.sweep(row, np.full(1, decode + 1, np.int32)))
            hold = decode + 1 + row.hold
            decode += 1 + row.groups
            self._counters[[Counter.STATE_READS, Counter.STATE_WRITES]] += row.groups * len(self._ticks.index)
        self._counters[Counter.SPIKE_WORDS] += ring.words * len(self._ticks.index)
        return np.maximum(end, decode + 1)
