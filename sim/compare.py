"""The comparison of a simulated fabric with the golden model: every spike, state word, readout, counter and clock.

There is no tolerance. A mismatch is reported at the first tick in which anything differs, with population, neuron,
and both values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier.model.fabric.cycles import Cycles
from ranvier.model.fabric.image import unpack_lanes
from ranvier.model.fabric.layout import Counter, state_bits, state_fields
from ranvier.model.fabric.placement import Placement, Row
from ranvier.model.mismatch import Mismatch
from ranvier.model.run.golden import GoldenRun

from .simulator import Recording

__all__ = ["compare_run"]

_ORDER = ("spike", "membrane", "state", "readout", "clocks", "count", "counter")


def compare_run(placement: Placement, golden: GoldenRun, cycles: Cycles, recording: Recording, steps: int, *,
                endless: bool = False) -> Mismatch | None:
    """The first difference between a recorded run and the model, or None.

    ``golden`` was run with ``record`` on the same batch, ``cycles`` predicted for the stream.
    """
    run = _Run(placement, golden, steps, len(next(iter(golden.membranes.values()))), endless)
    found: list[Mismatch] = []
    for unit, rows in enumerate(placement.units):
        found += _compare_states(run, recording, unit, rows)
    found += _compare_words(run, recording.words)
    found += _compare_clocks(cycles, recording)
    found += _compare_counters(cycles, recording)
    if not found:
        return None
    first = min(found, key=lambda m: (m.tick if m.tick >= 0 else 1 << 62, _ORDER.index(m.what), m.neuron))
    return replace(first, total=sum(m.total for m in found))


@dataclass(frozen=True, eq=False)
class _Run:
    """What was run, and what the model says of it."""

    placement: Placement
    golden: GoldenRun
    steps: int
    windows: int
    endless: bool

    def tick(self, level: int) -> npt.NDArray[np.int64]:
        """Tick of every source step of all windows, at ``level``."""
        return np.asarray(level + self.placement.schedule.period * np.arange(self.steps * self.windows))

    def mismatch(self, what: str, tick: int, step: int, population: str, neuron: int, expected: int, found: int,
                 total: int) -> Mismatch:
        """A difference in one neuron; ``step`` counts through all windows."""
        return Mismatch(what, int(tick), int(step) // self.steps, int(step) % self.steps, population, int(neuron), int(expected),
                        int(found), total)


def _compare_states(run: _Run, recording: Recording, unit: int, rows: tuple[Row, ...]) -> list[Mismatch]:
    """Stored state words in the order of their writing, and the readouts of every window."""
    config, golden, kind = run.placement.config, run.golden, run.placement.config.unit(unit)
    lanes, (membrane, *others) = config.part(kind).sweep_lanes, state_fields(config, kind)
    every, width, first = np.arange(run.steps * run.windows), state_bits(config, kind), membrane.bits
    found = _compare_groups(run, rows, every, recording.states[unit], "membrane",
                            lambda data: unpack_lanes(data, lanes, membrane.bits, width=width),
                            lambda name: golden.membranes[name].reshape(len(every), -1))
    for word in others:
        unpack = partial(unpack_lanes, lanes=lanes, bits=word.bits, first=first, width=width)
        wrong = _compare_groups(run, rows, every, recording.states[unit], "state", unpack, partial(_state_word, run, word.name))
        found += [mismatch if mismatch.detail else replace(mismatch, detail=word.name) for mismatch in wrong]
        first += word.bits
    read = () if run.endless else tuple(row for row in rows if not row.spiking)
    last = every[run.steps - 1::run.steps]
    return found + _compare_groups(run, read, last, recording.readouts[unit], "readout",
                                   lambda data: unpack_lanes(data, lanes, config.state_bits), lambda name: golden.readouts[name])


def _state_word(run: _Run, word: str, population: str) -> npt.NDArray[Any]:
    """A state word beside the membrane; 0 where the network does not need what the fabric has it for."""
    found = run.golden.states.get(population, {}).get(word, np.zeros_like(run.golden.membranes[population]))
    return found.reshape(run.steps * run.windows, -1)


def _compare_groups(run: _Run, rows: tuple[Row, ...], steps: npt.NDArray[np.int64], recorded: npt.NDArray[np.uint32], what: str,
                    unpack: Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]],
                    values_of: Callable[[str], npt.NDArray[Any]]) -> list[Mismatch]:
    """Groups recorded for ``rows``, swept in every one of ``steps`` in the order of ticks, then rows."""
    ticks = [run.tick(row.level)[steps] for row in rows]
    tick = np.concatenate([np.repeat(t, row.groups) for t, row in zip(ticks, rows, strict=True)] or [np.zeros(0, np.int64)])
    place = np.concatenate([np.full(len(steps) * row.groups, n) for n, row in enumerate(rows)] or [np.zeros(0, np.int64)])
    if len(tick) != len(recorded):
        return [Mismatch("count", detail=f"{what} groups", expected=len(tick), found=len(recorded))]
    order = np.lexsort((place, tick))       # stable: groups of a row stay in their order
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    actual = unpack(recorded[:, 1:])
    found = []
    for n, row in enumerate(rows):
        mine = position[place == n].reshape(len(steps), row.groups)
        addresses = recorded[mine, 0]
        wrong = np.flatnonzero((addresses != row.state_base + np.arange(row.groups)).any(axis=1))
        if wrong.size:
            found.append(Mismatch("count", int(ticks[n][wrong[0]]), detail=f"{what} address of {row.part.population}",
                                  expected=row.state_base, found=int(addresses[wrong[0], 0]), total=wrong.size))
        expected = values_of(row.part.population)[:, row.start:row.stop].astype(np.int64)
        got = actual[mine].reshape(len(steps), -1)[:, row.places]
        bad = np.argwhere(expected != got)
        if len(bad):
            at, neuron = bad[0]
            found.append(run.mismatch(what, ticks[n][at], steps[at], row.part.population, row.start + neuron,
                                      expected[at, neuron], got[at, neuron], len(bad)))
    return found


def _compare_words(run: _Run, recorded: npt.NDArray[np.uint32]) -> list[Mismatch]:
    """Spike words: those of a tick all come before the next tick's, in an order that the ring decides."""
    placement = run.placement
    places = [(part, word, plane) for name, parts in placement.parts.items() if placement.network.by_name[name].spiking
              for part in parts for word in range(part.words) for plane in range(placement.config.spike_bits)]
    steps = run.steps * run.windows
    if len(recorded) != steps * len(places):
        return [Mismatch("count", detail="spike words", expected=steps * len(places), found=len(recorded))]
    if not places:    # nothing in this network spikes, and nothing did
        return []
    tick = np.concatenate([run.tick(placement.schedule.level[part.population]) for part, *_ in places])
    slots = np.repeat([1 << part.slots_log2 for part, *_ in places], steps)
    # The ticker's count is 1 in the first tick of a run.
    address = np.repeat([part.base + (plane * part.words + word << part.slots_log2) for part, word, plane in places], steps)
    address = address + (tick + 1) % slots
    expected_order = np.lexsort((address, tick))
    recorded = recorded[np.lexsort((recorded[:, 0], tick[expected_order]))]
    wrong = np.flatnonzero(address[expected_order] != recorded[:, 0])
    if wrong.size:
        at = expected_order[wrong[0]]
        return [Mismatch("count", int(tick[at]), detail="spike word address", expected=int(address[at]),
                         found=int(recorded[wrong[0], 0]), total=wrong.size)]
    width = placement.config.word_bits
    bits = np.empty((len(recorded), width), np.uint8)
    bits[expected_order] = np.unpackbits(np.ascontiguousarray(recorded[:, 1:]).view(np.uint8), axis=1, bitorder="little")[:, :width]
    found = []
    for n, (part, word, plane) in enumerate(places):
        neurons = np.arange(part.start, part.stop)
        mine = part.positions(part.start, part.stop) - word * width
        neurons, mine = (values[(mine >= 0) & (mine < width)] for values in (neurons, mine))
        expected = np.zeros((steps, width), np.uint8)
        expected[:, mine] = run.golden.spikes[part.population].reshape(steps, -1)[:, neurons] >> plane & 1
        got = bits[n * steps:(n + 1) * steps]
        bad = np.argwhere(expected != got)
        if len(bad):
            at, bit = bad[0]
            found.append(run.mismatch("spike", tick[n * steps + at], at, part.population, _neuron_at(neurons, mine, bit), expected[at, bit],
                                      got[at, bit], len(bad)))
    return found


def _neuron_at(neurons: npt.NDArray[np.int64], places: npt.NDArray[np.int64], bit: int) -> int:
    """The neuron at a bit of a word, -1 where there is none."""
    found = neurons[places == bit]
    return int(found[0]) if found.size else -1


def _compare_clocks(cycles: Cycles, recording: Recording) -> list[Mismatch]:
    """Clocks of every tick, from its start to the next; the last one ends where the ticker stopped counting."""
    expected = cycles.clocks.reshape(-1).astype(np.int64)
    starts = recording.ticks.astype(np.int64)
    if len(starts) != len(expected):
        return [Mismatch("count", detail="ticks", expected=len(expected), found=len(starts))]
    last = (recording.clocks - int(starts[-1] - starts[0])) % (1 << 32)
    measured = np.append(np.diff(starts), last)
    bad = np.flatnonzero(measured != expected)
    if not bad.size:
        return []
    return [Mismatch("clocks", int(bad[0]), expected=int(expected[bad[0]]), found=int(measured[bad[0]]), total=bad.size)]


def _compare_counters(cycles: Cycles, recording: Recording) -> list[Mismatch]:
    expected = cycles.counters & 0xFFFFFFFF
    return [Mismatch("counter", detail=f"unit {unit}, {Counter(counter).name.lower()}", expected=int(expected[unit, counter]),
                     found=int(recording.counters[unit, counter]))
            for unit, counter in np.argwhere(expected != recording.counters)]
