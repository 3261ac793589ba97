"""The compiled fabric, stepped from Python without a call per clock."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.counters import Counts, empty
from ranvier.model.fabric.image import address, control_address, memory_image, pack_inputs, run_registers, unpack_lanes
from ranvier.model.fabric.layout import CHUNK_BITS, Control, Counter, Memory, memory_map, state_bits
from ranvier.model.fabric.placement import Placement

from .verilate import build_library, chunk_words

if TYPE_CHECKING:
    from ranvier.rtl.forms.technology import Technology

__all__ = ["Recording", "Simulator"]

_RUN_AND_CLEAR = 3
Words = npt.NDArray[np.uint32]


class _Record(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_void_p), ("room", ctypes.c_uint64), ("count", ctypes.c_uint64))


@dataclass(frozen=True, eq=False)
class Recording:
    """What a run showed, in the order in which it happened.

    ticks
        Clock of each tick's start, waits for input values left out: uint64 (ticks,).
    words
        Spike words as they passed the ring's last node: uint32 (words, 1 + word chunks), address and bits.
    states, readouts
        For each unit, stored state words and last membranes of windows: uint32 (groups, 1 + chunks), address and data.
    counters
        int64 (units, counters), as read at the end.
    clocks, waits
        The ticker's own counts: clocks in ticks, and clocks spent waiting for input values.
    """

    ticks: npt.NDArray[np.uint64]
    words: Words
    states: tuple[Words, ...]
    readouts: tuple[Words, ...]
    counters: Counts
    clocks: int
    waits: int

    def window_readouts(self, placement: Placement) -> dict[str, npt.NDArray[np.int64]]:
        """Last membranes of every window: by readout population, int64 (windows, neurons)."""
        found: dict[str, list[npt.NDArray[np.int64]]] = {population.name: [] for population in placement.network.readouts}
        lanes, bits = placement.config.core.sweep_lanes, placement.config.state_bits
        pieces: dict[tuple[str, int], npt.NDArray[np.int64]] = {}
        for unit, rows in enumerate(placement.units):
            for row in rows:
                if row.spiking:
                    continue
                groups = [self.readouts[unit][self.readouts[unit][:, 0] == row.state_base + g, 1:] for g in range(row.groups)]
                values = np.concatenate([unpack_lanes(group, lanes, bits) for group in groups], axis=1)
                pieces[row.part.population, row.start] = values[:, row.places]
        for name, start in sorted(pieces):
            found[name].append(pieces[name, start])
        return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


class Simulator:
    """A fabric in simulation. Use as a context manager.

    The first use of a configuration compiles it, which takes a minute or less; ``waveform`` builds the variant
    that can draw, ``technology`` the form that such a device gets.
    """

    def __init__(self, config: FabricConfig, *, waveform: bool = False, technology: Technology | None = None) -> None:
        self._config = config
        self._library = _library(build_library(config, waveform=waveform, technology=technology), config.nodes)
        self._handle: int | None = self._library.ranvier_open()
        self._placement: Placement | None = None

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulation; a second call does nothing."""
        if self._handle is not None:
            self._library.ranvier_close(self._handle)
            self._handle = None

    @property
    def clocks(self) -> int:
        """Clocks since the fabric left reset."""
        return int(self._library.ranvier_clocks(self._handle))

    def write(self, pairs: Words) -> None:
        """Configuration writes, one a clock: uint32 (writes, 2), address and data."""
        pairs = np.ascontiguousarray(pairs, np.uint32)
        self._library.ranvier_write(self._handle, pairs.ctypes.data, len(pairs))

    def read(self, addresses: npt.ArrayLike) -> Words:
        """Configuration reads: uint32 (reads,)."""
        asked = np.ascontiguousarray(addresses, np.uint32)
        values = np.zeros(len(asked), np.uint32)
        self._library.ranvier_read(self._handle, asked.ctypes.data, values.ctypes.data, len(asked))
        return values

    def read_memory(self, unit: int, memory: Memory) -> list[int]:
        """A whole memory, word by word."""
        kind = self._config.unit(unit)
        layout = memory_map(self._config, kind)[memory]
        offsets = [n * layout.chunk_step + c for n in range(layout.depth) for c in range(layout.chunks)]
        chunks = self.read([address(unit, memory, offset) for offset in offsets]).reshape(layout.depth, layout.chunks)
        return [sum(int(chunk) << CHUNK_BITS * c for c, chunk in enumerate(row)) for row in chunks]

    def load(self, placement: Placement) -> None:
        """Write a network's memory image."""
        if placement.config != self._config:
            raise RanvierError("simulator: the network was placed on another fabric configuration")
        self.write(memory_image(placement).writes)
        self._placement = placement

    def run(self, inputs: Mapping[str, npt.NDArray[np.integer]], steps: int, *, endless: bool = False,
            record: bool = True, most_clocks: int | None = None) -> Recording:
        """One run: the batch's windows back to back.

        ``inputs`` holds (batch, neurons) for values that stay through a window, or (batch, steps, neurons). With
        ``record`` False only counters and tick starts are kept.
        """
        placement = self._placement
        if placement is None:
            raise RanvierError("simulator: load a network first")
        arrays = {name: np.asarray(values) for name, values in inputs.items()}
        per_step = any(values.ndim == 3 for values in arrays.values())
        windows = len(next(iter(arrays.values()))) if arrays else 1    # as in the golden model
        if per_step:
            arrays = {name: (values if values.ndim == 3 else np.repeat(values[:, None], steps, axis=1)).reshape(windows * steps, -1)
                      for name, values in arrays.items()}
        banks = pack_inputs(placement, arrays) if arrays else np.empty((windows, 0, 2), np.uint32)    # one empty bank
        self.write(run_registers(placement, steps, windows, per_step=per_step, endless=endless))
        return self._run(placement, banks, steps, windows, record, most_clocks)

    def _run(self, placement: Placement, banks: Words, steps: int, windows: int, record: bool, most_clocks: int | None) -> Recording:
        config = self._config
        ticks = placement.schedule.ticks(steps, windows)
        expected = _expected_rows(placement, steps, windows)
        rows = [np.empty((ticks, 2), np.uint32), np.empty((expected.words if record else 0, 1 + chunk_words(config.word_bits)), np.uint32)]
        for counts, width in ((expected.states, state_bits), (expected.readouts, lambda config, _: config.state_bits)):
            for unit, count in enumerate(counts):
                kind = config.unit(unit)
                chunks = chunk_words(config.part(kind).sweep_lanes * width(config, kind))
                rows.append(np.empty((count if record else 0, 1 + chunks), np.uint32))
        records = (_Record * len(rows))()
        for n, array in enumerate(rows):
            records[n] = _Record(array.ctypes.data if n == 0 or record else None, len(array), 0)
        limit = most_clocks or 100_000 + banks.shape[0] * (banks.shape[1] + 50) + ticks * _most_clocks_per_tick(placement)
        command = control_address(config, Control.COMMAND)
        done = self._library.ranvier_run(self._handle, command, _RUN_AND_CLEAR, banks.ctypes.data, banks.shape[1], banks.shape[0],
                                         limit, ctypes.byref(records))
        if done == 0:
            raise RanvierError(f"simulator: the fabric is not at rest after {limit} clocks")
        found = [array[:records[n].count] for n, array in enumerate(rows)]
        starts = found[0].astype(np.uint64)
        if done < 0:
            raise RanvierError("simulator: the fabric did more than the network can ask for; a record is full")
        control = self.read([control_address(config, Control.CLOCKS), control_address(config, Control.WAITS)])
        units = config.nodes
        return Recording(starts[:, 0] | starts[:, 1] << np.uint64(32), found[1], tuple(found[2:2 + units]), tuple(found[2 + units:]),
                         self._counters(), int(control[0]), int(control[1]))

    def _counters(self) -> Counts:
        found = empty(self._config.nodes)
        for unit in range(self._config.nodes):
            found[unit] = self.read([address(unit, Memory.COUNTERS, counter) for counter in Counter])
        return found

    def waveform(self, path: Path, first: int, last: int) -> None:
        """Draw clocks ``first`` to ``last`` into a VCD file as they pass. Only once, in a simulator made for it."""
        self._library.ranvier_waveform(self._handle, str(path).encode(), first, last)


@dataclass(frozen=True)
class _Rows:
    words: int
    states: tuple[int, ...]
    readouts: tuple[int, ...]


def _expected_rows(placement: Placement, steps: int, windows: int) -> _Rows:
    """Rows that a run records, and a few more, so that a fabric that does too much is noticed."""
    taken = steps * windows
    words = sum(len(row.emits) for rows in placement.units for row in rows) * placement.config.spike_bits * taken
    states = tuple(sum(row.groups for row in rows) * taken + 4 for rows in placement.units)
    readouts = tuple(sum(row.groups for row in rows if not row.spiking) * windows + 4 for rows in placement.units)
    return _Rows(words + 4, states, readouts)


def _most_clocks_per_tick(placement: Placement) -> int:
    """No tick is longer, whatever spikes arrive: a bound for the simulator's patience."""
    most = 200
    for rows in placement.units:
        scans = sum(s.end - s.begin + 4 * len(s.words) for row in rows for s in row.segments)
        most = max(most, 200 + scans + sum(4 * len(row.segments) + 4 * row.hold + row.groups for row in rows))
    return most + 64 * placement.config.nodes


@cache
def _library(path: Path, nodes: int) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, count = ctypes.c_void_p, ctypes.c_uint64
    library.ranvier_open.restype = pointer
    library.ranvier_close.argtypes = [pointer]
    library.ranvier_clocks.argtypes, library.ranvier_clocks.restype = [pointer], count
    library.ranvier_write.argtypes = [pointer, pointer, count]
    library.ranvier_read.argtypes = [pointer, pointer, pointer, count]
    library.ranvier_run.argtypes = [pointer, ctypes.c_uint32, ctypes.c_uint32, pointer, count, count, count, pointer]
    library.ranvier_run.restype = ctypes.c_int
    if hasattr(library, "ranvier_waveform"):
        library.ranvier_waveform.argtypes = [pointer, ctypes.c_char_p, count, count]
    return library
