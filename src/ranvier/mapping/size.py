"""The size of a fabric for one network: its cores, lanes, sweep lanes and words, by the cycle model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.fabric.config import (
    LANES_A_CHAIN,
    MOST_CORES,
    MOST_LANES,
    MOST_SWEEP_LANES,
    MOST_WORD_BITS,
    FabricConfig,
    least_word_bits,
)
from ..model.fabric.cycles import Cycles, predict_cycles
from ..model.fabric.placement import Placement
from ..model.fabric.timing import DECODE, FIRST_SCAN, QUEUE_LATENCY, ROW_LATENCY, TICK_OVERHEAD
from ..model.network.network import Network
from ..model.run.golden import run_golden
from .layouts import Layouts
from .limit import Limit, limit_of
from .mapper import map_network, roomy, row_work, tailor

__all__ = ["MOST_SAMPLES", "NEARLY", "Sizing", "area", "tailor_size"]


def _powers(least: int, most: int) -> tuple[int, ...]:
    """Powers of two from ``least`` to ``most``, which are such."""
    return tuple(1 << n for n in range(least.bit_length() - 1, most.bit_length()))


#: Samples that the choice looks at; more are left out.
MOST_SAMPLES = 8
#: Fabrics with no more than so many times the fewest clocks count as equally fast.
NEARLY = 1.01
_LANES = _powers(LANES_A_CHAIN, MOST_LANES)
_CORES = tuple(range(1, MOST_CORES + 1))
_WORDS = _powers(16, MOST_WORD_BITS)
_SWEEPS = _powers(1, MOST_SWEEP_LANES)
#: Numbers of cores from which on the search looks for a start, up to the next one.
_STARTS = (1, 2, 4, 8)
#: Share of the expected weight words that is surely there: the expectation takes spikes as spread evenly.
_SURE = 0.9
#: Clocks of a tick in which nothing is scanned or swept.
_LATENCY = TICK_OVERHEAD + DECODE + FIRST_SCAN + QUEUE_LATENCY + ROW_LATENCY
#: Windows and a seed for spikes that are drawn.
_DRAWN, _SEED = 4, 0

#: Planes of spikes by population: bool (batch, steps, planes, n).
_Planes = dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Sizing:
    """A fabric for a network. ``clocks`` are those of a sample in a stream; ``limit`` says what they hang on."""

    config: FabricConfig
    clocks: float
    limit: Limit

    def to_json(self) -> dict[str, Any]:
        """Clocks and limit as plain JSON values; the configuration stands elsewhere in every report."""
        return {"clocks_per_sample_stream": self.clocks, "limit": self.limit.to_json()}


def area(config: FabricConfig) -> float:
    """Logic that a fabric needs, in lanes, as far as its size goes.

    A core without its lanes (program, scanner, queue, ring node) is taken as 64 of them, a sweep lane, which is a whole neuron (decay, sum,
    threshold, reset, bounds), as eight, and eight bits of a spike word as one. It is an estimate, and only orders fabrics that are
    equally fast.
    """
    return _area(config.cores, config.core.lanes, config.core.sweep_lanes, config.input.sweep_lanes, config.word_bits)


def _area(cores: int, lanes: int, sweep: int, inputs: int, word_bits: int) -> float:
    return cores * (64 + lanes + 8 * sweep + word_bits / 8) + 8 * inputs


def tailor_size(network: Network, *, steps: int = 4, inputs: Mapping[str, npt.NDArray[Any]] | None = None,
                activity: Mapping[str, float] | None = None, lanes: int | None = None, cores: int | None = None,
                base: FabricConfig | None = None, most: FabricConfig | None = None,
                room: Callable[[FabricConfig], bool] | None = None, nearly: float = NEARLY) -> Sizing:
    """The fabric on which ``network`` takes the fewest clocks a sample, the smallest by `area` of those within ``nearly`` times as many.

    steps
        Steps of a window.
    inputs
        Samples as `run_golden` takes them; the first `MOST_SAMPLES` are looked at. The choice is for the spikes that they give.
    activity
        Without inputs: share of a population's neurons, 0 to 1, that spike in a step; 1 where it does not say.
    lanes, cores
        Given, they stay as they are: 4 to 256, 1 to 16.
    base
        Gives everything that has nothing to do with size; the standard fabric where there is none.
    most
        A fabric that bounds the choice: there are no more cores than it has, with no more lanes and sweep lanes in all; the input unit is
        its own, and words are longer only where the ring needs it.
    room
        Says of a fabric whether it may fit the chip.

    Depths are tailored. Raises `RanvierError` where no fabric within these bounds takes the network.
    """
    for name, given, offered in (("lanes", lanes, _LANES), ("cores", cores, _CORES)):
        if given is not None and given not in offered:
            raise RanvierError(f"tailor: {name} is {given!r}; it must be one of {', '.join(map(str, offered))}")
    base, spikes = base or FabricConfig(), _Spikes.of(network, steps, inputs, activity or {})
    search = _Search(network, base, most, room, spikes, nearly)
    size = search.best(_LANES if lanes is None else (lanes,), _CORES if cores is None else (cores,))
    config = tailor(network, size.of(base))
    placement = map_network(network, config)
    cycles = spikes.cycles(placement)
    return Sizing(config, int(cycles.clocks.sum()) / spikes.batch, limit_of(placement, cycles, steps, spikes.batch))


@dataclass(frozen=True, order=True)
class _Size:
    """What is chosen of a fabric. ``sweep`` and ``inputs`` are the sweep lanes of a core and of the input unit."""

    cores: int
    lanes: int
    sweep: int
    inputs: int
    word_bits: int

    @property
    def area(self) -> float:
        """As `area` of the whole fabric."""
        return _area(self.cores, self.lanes, self.sweep, self.inputs, self.word_bits)

    def of(self, base: FabricConfig) -> FabricConfig:
        """``base`` with this size."""
        return base.replace(cores=self.cores, core={"lanes": self.lanes, "sweep_lanes": self.sweep},
                            input={"sweep_lanes": self.inputs}, word_bits=self.word_bits)

    def neighbours(self) -> list[_Size]:
        """Sizes that differ in one choice, or in sweep lanes of both and the words with them."""
        found = [replace(self, cores=cores) for cores in (self.cores // 2, self.cores - 1, self.cores + 1, 2 * self.cores)]
        for name in ("lanes", "sweep", "inputs", "word_bits"):
            found += [replace(self, **{name: getattr(self, name) // 2}), replace(self, **{name: getattr(self, name) * 2})]
        found += [replace(self, cores=2 * self.cores, lanes=self.lanes // 2), replace(self, cores=self.cores // 2, lanes=2 * self.lanes),
                  replace(self, sweep=2 * self.sweep, word_bits=2 * self.word_bits),
                  replace(self, inputs=2 * self.inputs, word_bits=2 * self.word_bits)]
        return found


def _sizes(lanes: tuple[int, ...], cores: tuple[int, ...], spike_bits: int) -> Iterator[_Size]:
    """All sizes that a fabric can have: every word holds what all nodes of the ring sweep in a clock."""
    for count, width, word_bits in product(cores, lanes, _WORDS):
        sweeps = [n for n in _SWEEPS if least_word_bits(count, n, spike_bits) <= word_bits]
        for sweep, inputs in product(sweeps, sweeps):
            if sweep <= width:
                yield _Size(count, width, sweep, inputs, word_bits)


@dataclass(frozen=True, eq=False)
class _Spikes:
    """What the network does, whatever the fabric."""

    planes: _Planes
    populations: tuple[str, ...]
    batch: int
    steps: int

    @classmethod
    def of(cls, network: Network, steps: int, inputs: Mapping[str, npt.NDArray[Any]] | None, activity: Mapping[str, float]) -> _Spikes:
        spiking = [p for p in network.populations if p.spiking]
        bits = network.spike_bits
        if inputs is not None:
            run = run_golden(network, {name: values[:MOST_SAMPLES] for name, values in inputs.items()}, steps, record=True)
            planes = {p.name: run.spikes[p.name][:, :, None].astype(np.uint8) >> np.arange(bits, dtype=np.uint8)[:, None] & 1 > 0
                      for p in spiking}
            batch = len(next(iter(run.clamps.values())))
        else:
            _check_activity(network, activity)
            rng, batch = np.random.default_rng(_SEED), _DRAWN
            planes = {p.name: rng.random((batch, steps, bits, p.size)) < activity.get(p.name, 1.0) for p in spiking}
        return cls(planes, tuple(p.name for p in network.populations), batch, steps)

    def cycles(self, placement: Placement) -> Cycles:
        """The cycle model's prediction of all windows, one behind the other."""
        popcounts = {name: np.add.reduceat(planes, placement.blocks[name], axis=3, dtype=np.int32) for name, planes in self.planes.items()}
        clamps = {name: np.zeros((self.batch, self.steps, len(placement.blocks[name])), np.int32) for name in self.populations}
        return predict_cycles(placement, popcounts, clamps, self.steps)


def _check_activity(network: Network, activity: Mapping[str, float]) -> None:
    for name, share in activity.items():
        if name not in network.by_name:
            raise RanvierError(f"activity: the network has no population {name}; it has {', '.join(network.by_name)}")
        if not 0 <= share <= 1:
            raise RanvierError(f"activity: {name} is {share!r}; it must be 0 to 1, the share of neurons that spike in a step")


class _Search:
    """Fabrics tried so far, with their clocks; the choice moves to a neighbour while one is better."""

    def __init__(self, network: Network, base: FabricConfig, most: FabricConfig | None,
                 room: Callable[[FabricConfig], bool] | None, spikes: _Spikes, nearly: float) -> None:
        self._network, self._base, self._most, self._room, self._spikes, self._nearly = network, base, most, room, spikes, nearly
        self._clocks: dict[_Size, float] = {}
        self._bounds = _Bounds(network, spikes)
        self._refused: RanvierError | None = None

    def best(self, lanes: tuple[int, ...], cores: tuple[int, ...]) -> _Size:
        """The smallest size within ``nearly`` times the fewest clocks that has no better neighbour."""
        sizes = {size for size in _sizes(lanes, cores, self._network.spike_bits) if self._within(size)}
        for group in self._starts(sizes):
            for size in group:
                if self._bounds.clocks(size) > self._nearly * min(self._clocks.values(), default=math.inf) or self._try(size):
                    break
        seen: set[_Size] = set()
        while (found := self._choice()) not in seen:
            seen.add(found)
            for size in found.neighbours():
                if size in sizes and self._promising(size, found):
                    self._try(size)
        return found

    def _starts(self, sizes: set[_Size]) -> Iterator[list[_Size]]:
        """For a few numbers of cores the sizes that may be fastest, in this order; of equal cores and lanes also the smallest one.

        More are not tried: what has no room with the widest sweep and with the narrowest has none with those between.
        """
        forms: dict[tuple[int, int], list[_Size]] = {}
        for size in sizes:
            forms.setdefault((size.cores, size.lanes), []).append(size)
        offered = {found for form in forms.values()
                   for found in (min(form, key=self._promise), min(form, key=lambda size: (size.area, size)))}
        for low, high in zip(_STARTS, (*_STARTS[1:], _CORES[-1] + 1), strict=True):
            yield sorted((size for size in offered if low <= size.cores < high), key=self._promise)

    def _promise(self, size: _Size) -> tuple[float, float, _Size]:
        """What is least is tried first."""
        return self._bounds.clocks(size), size.area, size

    def _within(self, size: _Size) -> bool:
        """Whether ``most`` allows a size."""
        if self._most is None:
            return True
        most = self._most
        needed = least_word_bits(size.cores, max(size.sweep, size.inputs), self._network.spike_bits)
        return (size.cores <= most.cores and size.cores * size.lanes <= most.cores * most.core.lanes
                and size.cores * size.sweep <= most.cores * most.core.sweep_lanes and size.inputs == most.input.sweep_lanes
                and size.word_bits == max(most.word_bits, needed))

    def _promising(self, size: _Size, found: _Size) -> bool:
        """Whether a size may be faster than what was found, or as fast and smaller."""
        fastest = min(self._clocks.values())
        return self._bounds.clocks(size) <= (self._nearly * fastest if size.area < found.area else fastest)

    def _choice(self) -> _Size:
        usable = {size: clocks for size, clocks in self._clocks.items() if clocks < math.inf}
        if not usable:
            raise self._refused or RanvierError("tailor: no fabric within the bounds given has words that its sweep lanes fill: "
                                                "use fewer cores")
        fastest = min(usable.values())
        return min((size for size, clocks in usable.items() if clocks <= self._nearly * fastest),
                   key=lambda size: (size.area, usable[size], size))

    def _try(self, size: _Size) -> bool:
        """Measure a size; whether the network can be placed there, and there is room for it."""
        if size not in self._clocks:
            self._clocks[size] = self._measured(size)
        return self._clocks[size] < math.inf

    def _measured(self, size: _Size) -> float:
        try:
            config = size.of(self._base)
            if self._room is not None and not self._room(tailor(self._network, config)):
                self._refused = self._refused or RanvierError(
                    "tailor: no fabric of this network has room on the chip: use a smaller network or a larger board")
                return math.inf
            placement = map_network(self._network, roomy(self._network, config))
        except RanvierError as error:
            self._refused = self._refused or error
            return math.inf
        return int(self._spikes.cycles(placement).clocks.sum()) / self._spikes.batch


class _Bounds:
    """Clocks of a sample that no fabric of a size can go below, without placing the network there."""

    def __init__(self, network: Network, spikes: _Spikes) -> None:
        self._network, self._steps = network, spikes.steps
        self._activity = {name: float(planes.mean(axis=(0, 1, 3)).sum()) for name, planes in spikes.planes.items()}
        self._rows: dict[int, dict[str, tuple[int, int, float]]] = {}
        self._driven = sum(p.size for p in network.inputs)

    def clocks(self, size: _Size) -> float:
        """What the busiest core or the input unit needs at least, and the latency of every tick."""
        if size.lanes not in self._rows:
            self._rows[size.lanes] = row_work(self._network, Layouts(self._network, size.lanes), self._activity)
        rows = self._rows[size.lanes].values()
        scans = max((-(-count // size.cores) * _SURE * work for count, _, work in rows), default=0)
        scans = max(scans, _SURE * sum(count * work for count, _, work in rows) / size.cores)
        sweeps = sum(count * neurons for count, neurons, _ in rows) / size.sweep / size.cores
        return self._steps * (max(scans, sweeps, self._driven / size.inputs) + _LATENCY)
