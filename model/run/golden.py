"""The golden model: the same integers as the plain reference, for whole batches, at the speed of a float simulator.

Three things make it fast. Synapses are matrix products in floating point, which are exact here (see
`_real_dtype`). Populations outside cycles take all steps of a tile before the next population starts, so that one
product serves many steps. Membranes are kept in the smallest integer type that holds the state word.

What a neuron computes in a step is its family's, in `model/neurons/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import Ints
from ..network.headroom import prove_headroom
from ..network.levels import schedule, step_order
from ..network.network import Network
from ..network.population import Population
from ..network.projection import Projection
from ..neurons.kind import INITIAL, LOWER, UPPER, Array, Batch
from .blas import single_threaded
from .synapses import synapses

__all__ = ["GoldenRun", "check_inputs", "run_golden"]

# Neuron-steps that a chunk of the batch works on at once: 2**20 spikes as float32 are 4 MiB.
_TILE_NEURONS = 1 << 20
# Inputs in a chunk: with 784 input neurons a step's membranes then stay in a 1 MiB second-level cache.
_CHUNK_INPUTS = 256
# Steps after which the search for reachable membranes gives up and lets the clamps act.
_REACH_STEPS = 64


@dataclass(frozen=True)
class GoldenRun:
    """What one window did for every input of a batch. Blocks and records are as asked for.

    readouts
        Readout population to int32 (batch, n): the membrane after the last step, before it returns to ``v_init``.
    spike_counts
        Spiking population that is not an input to int32 (batch, n): spikes in the window.
    popcounts
        Spiking population to unsigned (batch, steps, planes, blocks): in each block of neurons those whose count has bit ``plane`` set.
        There is one plane for each of the network's spike bits.
    clamps
        Population to unsigned (batch, steps, blocks): state words of each block that a bound changed; a neuron with a synaptic current
        has two that can be.
    spikes
        Population to (batch, steps, n), counts of spikes: bool where they have one bit, else uint8; empty without ``record``. Readouts
        are all 0.
    membranes
        Population to int32 (batch, steps, n): the membranes stored after the step; empty without ``record``.
    states
        Population to name to int32 (batch, steps, n): its other state words, those of the options that the network needs: ``i``, the
        synaptic current, and ``flag``, a reset that waits. Empty without ``record``.
    """

    readouts: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    spike_counts: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    popcounts: dict[str, Array] = field(default_factory=dict)
    clamps: dict[str, Array] = field(default_factory=dict)
    spikes: dict[str, npt.NDArray[np.bool_ | np.uint8]] = field(default_factory=dict)
    membranes: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    states: dict[str, dict[str, npt.NDArray[np.int32]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {values.shape}" for name, values in self.readouts.items())
        return f"GoldenRun(readouts: {shown or 'none'}; {len(self.spikes)} populations recorded)"


def run_golden(network: Network, inputs: Mapping[str, npt.NDArray[Any]], steps: int, *,
               blocks: Mapping[str, npt.NDArray[Any]] | None = None, record: bool | Collection[str] = False,
               endless: bool = False, threads: int | None = None,
               progress: Callable[[int], None] | None = None) -> GoldenRun:
    """Run one window of ``steps`` steps for every input of a batch.

    inputs
        For each input population unsigned integers below ``2**input_bits``: (batch, n) held through the window,
        or (batch, steps, n), a row for each step. A network without inputs runs as a batch of 1.
    blocks
        For each population whose counts shall be split, the first neuron of each block: 0, then increasing.
        Others are one block.
    record
        Whether spikes, membranes and other state words of every step are kept, which is much; or the populations of which they are.
    endless
        The window stays open: the last step stores its state instead of the initial one.
    threads
        Chunks of the batch that run at once; as many as there are cores when not given.
    progress
        Called from this thread with the number of inputs done so far.

    Raises `RanvierError` for inputs that do not fit the network and for networks without headroom or schedule.
    """
    prove_headroom(network)
    schedule(network)
    values, batch = check_inputs(network, inputs, steps)
    plan = _Plan.of(network, steps, endless, _check_blocks(network, blocks or {}))
    names = [population.name for population in network.populations]
    run = _allocate(plan, batch, [name for name in names if record is True or record is not False and name in record])
    threads = threads or _cores()
    size = plan.chunk(batch, threads)
    chunks = [slice(first, min(first + size, batch)) for first in range(0, batch, size)]
    done = 0
    with single_threaded():
        for finished in _each(lambda rows: _Chunk(plan, values, rows, run).run(), chunks, threads):
            done += finished
            if progress is not None:
                progress(done)
    return run


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _each(work: Callable[[slice], int], chunks: list[slice], threads: int) -> Iterator[int]:
    """Results of ``work`` for every chunk as they come."""
    if threads == 1 or len(chunks) == 1:
        yield from map(work, chunks)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in as_completed([pool.submit(work, rows) for rows in chunks]):
            yield future.result()


# --- checks -----------------------------------------------------------------------------------------------------------


def check_inputs(network: Network, inputs: Mapping[str, Any], steps: int) -> tuple[dict[str, Array], int]:
    """The arrays by name and the size of the batch; raises `RanvierError` where they do not fit the network."""
    if not isinstance(steps, int) or steps < 1:
        raise RanvierError(f"steps is {steps!r}; it must be a positive integer")
    names = {population.name for population in network.inputs}
    for name in sorted(set(inputs) - names):
        raise RanvierError(f"input {name}: the network has no input population of that name")
    for name in sorted(names - set(inputs)):
        raise RanvierError(f"input {name}: there are no values for this population")
    values = {p.name: _check_input(network, p, np.asarray(inputs[p.name]), steps) for p in network.inputs}
    batches = {len(array) for array in values.values()} or {1}
    if len(batches) > 1:
        raise RanvierError(f"inputs: the populations' batches differ: {', '.join(map(str, sorted(batches)))}")
    return values, batches.pop()


def _check_input(network: Network, population: Population, array: Array, steps: int) -> Array:
    name = population.name
    if array.dtype.kind not in "iu":
        raise RanvierError(f"input {name}: values must be integers, not {array.dtype}")
    if array.ndim not in (2, 3) or array.shape[1:] not in ((population.size,), (steps, population.size)):
        raise RanvierError(f"input {name}: values have shape {array.shape}; it must be (batch, {population.size}) or "
                           f"(batch, {steps}, {population.size})")
    if not len(array):
        raise RanvierError(f"input {name}: the batch is empty")
    low, high = 0, (1 << network.input_bits) - 1
    if np.iinfo(array.dtype).min < low or np.iinfo(array.dtype).max > high:
        least, most = int(array.min()), int(array.max())
        if least < low or most > high:
            raise RanvierError(f"input {name}: values reach from {least} to {most}; they must be {low} to {high}")
    return array


def _check_blocks(network: Network, blocks: Mapping[str, Any]) -> dict[str, Ints]:
    """Block starts of every population."""
    starts = {population.name: np.asarray(blocks.get(population.name, [0]), np.int64) for population in network.populations}
    for name in blocks:
        if name not in starts:
            raise ValueError(f"blocks: there is no population {name!r}")
        first = starts[name]
        if first.ndim != 1 or not first.size or first[0] or np.any(np.diff(first) < 1) or (
                first[-1] >= network.by_name[name].size):
            raise ValueError(f"blocks of {name}: starts must begin with 0, increase, and be neurons of the population")
    return starts


# --- plan -------------------------------------------------------------------------------------------------------------


def _real_dtype(network: Network) -> type[np.floating[Any]]:
    """Floating type in which the synaptic sums are exact.

    Weights (times a power of two) and counts of spikes are integers, so a product is what a synapse contributes, and every
    partial sum, in whatever order and grouping the matrix product takes, is the sum of a subset of the contributions: an
    integer within -N to P of `Network.arrivals`. float32 holds every integer up to 2**24, so where P and N are at most that, no
    operation rounds (a fused multiply-add rounds an exact value to itself). State words of up to 24 bits always are,
    since headroom keeps P and N within the word. Otherwise they are within 32 bits, and float64 holds 2**53.
    """
    largest = max(int(bound.max()) for p in network.populations for bound in network.arrivals(p))
    return np.float32 if largest <= 1 << 24 else np.float64


def _groups(network: Network) -> list[list[str]]:
    """Populations that must step together, that is, the strongly connected components, sources first.

    If group A reaches group B then everything that reaches A reaches B, and B reaches B: sorting by the number
    of populations that reach a group puts sources first.
    """
    order = step_order(network)
    sources = {name: {p.source for p in network.incoming(name)} for name in order}
    before: dict[str, set[str]] = {}
    for name in order:
        found, waiting = {name}, [name]
        while waiting:
            new = sources[waiting.pop()] - found
            found |= new
            waiting += new
        before[name] = found
    groups: dict[frozenset[str], list[str]] = {}
    for name in sorted(order, key=lambda name: (len(before[name]), order.index(name))):
        together = frozenset(other for other in before[name] if name in before[other])
        groups.setdefault(together, []).append(name)
    return list(groups.values())


def _clamps_act(network: Network, population: Population, steps: int) -> bool:
    """Whether a bound of the population could ever change a membrane within ``steps`` steps.

    Follows the interval of reachable membranes step by step, where the family knows it.
    """
    parameters, rule = network.parameters(population), network.rule(population)
    positive, negative = network.arrivals(population)
    low = high = parameters[INITIAL]
    for _ in range(min(steps, _REACH_STEPS)):
        reached = population.family.interval(parameters, rule, low, high, positive, negative)
        if reached is None:
            return True
        w_low, w_high = reached
        if np.any(w_low < parameters[LOWER]) or np.any(w_high > parameters[UPPER]):
            return True
        w_low, w_high = np.minimum(low, w_low), np.maximum(high, w_high)
        if np.array_equal(w_low, low) and np.array_equal(w_high, high):
            return False
        low, high = w_low, w_high
    return steps > _REACH_STEPS


@dataclass(frozen=True)
class _Synapses:
    """A projection: ``product`` takes spikes (rows, source neurons) to sums (rows, destination neurons)."""

    source: str
    delay: int
    product: Callable[[Array], Array]


@dataclass(frozen=True)
class _Stage:
    """One population, ready to step."""

    population: Population
    neurons: Batch
    words: tuple[str, ...]    #: names of the state words, the membrane first
    outside: list[_Synapses]  #: from populations whose spikes of the whole tile are known
    inside: list[_Synapses]   #: from populations that step together with this one
    history: int | None       #: earlier steps that outgoing projections look back; None without any

    @property
    def name(self) -> str:
        return self.population.name

    @property
    def size(self) -> int:
        return self.population.size

    @classmethod
    def of(cls, network: Network, population: Population, group: list[str], steps: int,
           real: type[np.floating[Any]]) -> _Stage:
        """The stage of a population that steps together with those in ``group``; ``real`` is for the products."""
        def ready(projection: Projection) -> _Synapses:
            return _Synapses(projection.source, projection.delay,
                             synapses(projection, network.by_name[projection.source], population, real))

        incoming = network.incoming(population.name)
        delays = [p.delay for p in network.projections if p.source == population.name]
        neurons = population.family.batch(network.parameters(population), network.rule(population),
                                          bounded=_clamps_act(network, population, steps))
        return cls(
            population, neurons, tuple(word.name for word in population.family.words(network.options_of(population))),
            outside=[ready(p) for p in incoming if p.source not in group],
            inside=[ready(p) for p in incoming if p.source in group],
            history=max(delays, default=None))


@dataclass(frozen=True)
class _Plan:
    """Everything about a run that does not depend on the inputs."""

    groups: list[list[_Stage]]
    real: type[np.floating[Any]]
    steps: int
    endless: bool
    blocks: dict[str, Ints]
    spike_bits: int

    @property
    def count(self) -> type[np.bool_ | np.uint8]:
        """Type of a count of spikes."""
        return np.bool_ if self.spike_bits == 1 else np.uint8

    @classmethod
    def of(cls, network: Network, steps: int, endless: bool, blocks: dict[str, Ints]) -> _Plan:
        real = _real_dtype(network)
        groups = [[_Stage.of(network, network.by_name[name], group, steps, real) for name in group]
                  for group in _groups(network)]
        return cls(groups, real, steps, endless, blocks, network.spike_bits)

    @property
    def stages(self) -> list[_Stage]:
        return [stage for group in self.groups for stage in group]

    @property
    def _rows(self) -> int:
        """Steps of single inputs that fit a tile."""
        return max(1, _TILE_NEURONS // sum(stage.size for stage in self.stages))

    def chunk(self, batch: int, threads: int) -> int:
        """Inputs that are computed together, so that there is work for every thread."""
        return min(-(-batch // threads), _CHUNK_INPUTS, self._rows)

    def tile(self, chunk: int) -> int:
        """Steps that a population takes before the next one starts."""
        return min(self.steps, max(1, self._rows // chunk))


def _allocate(plan: _Plan, batch: int, recorded: Collection[str]) -> GoldenRun:
    run = GoldenRun()
    for stage in plan.stages:
        name, shape = stage.name, (batch, plan.steps, stage.size)
        starts = plan.blocks[name]
        largest = int(np.diff(starts, append=stage.size).max())
        run.clamps[name] = np.zeros((*shape[:2], starts.size), np.min_scalar_type(largest * len(stage.words)))
        if not stage.population.spiking:
            run.readouts[name] = np.empty((batch, stage.size), np.int32)
        else:
            run.popcounts[name] = np.empty((*shape[:2], plan.spike_bits, starts.size), np.min_scalar_type(largest))
            if not stage.population.driven:
                run.spike_counts[name] = np.zeros((batch, stage.size), np.int32)
        if name in recorded:
            run.spikes[name] = np.zeros(shape, plan.count)
            run.membranes[name] = np.empty(shape, np.int32)
            run.states[name] = {word: np.empty(shape, np.int32) for word in stage.words[1:]}
    return run


# --- chunks -----------------------------------------------------------------------------------------------------------


class _Chunk:
    """Some inputs of the batch on their way through the window, tile by tile.

    Arrays have the step first, (steps, inputs, neurons), so that a range of steps is one matrix without a copy.
    """

    def __init__(self, plan: _Plan, values: Mapping[str, Array], rows: slice, run: GoldenRun) -> None:
        self.plan, self.run_, self.rows = plan, run, rows
        self.values = {name: array[rows] for name, array in values.items()}
        self.size: int = rows.stop - rows.start
        self.tile = plan.tile(self.size)
        self.states: dict[str, tuple[Array, ...]] = {}
        # Spikes as real numbers, for the products: `history` steps before the tile, then the tile's. What lies before
        # the window is zero, so a projection contributes nothing at the steps before its delay.
        self.traces: dict[str, Array] = {}
        for stage in plan.stages:
            self.states[stage.name] = self._initial(stage)
            if stage.history is not None:
                self.traces[stage.name] = np.zeros((stage.history + self.tile, self.size, stage.size), plan.real)

    def run(self) -> int:
        """Run the window; the number of inputs done."""
        for first in range(0, self.plan.steps, self.tile):
            window = slice(first, min(first + self.tile, self.plan.steps))
            for trace in self.traces.values() if first else ():
                history = len(trace) - self.tile
                trace[:history] = trace[self.tile:]
            for group in self.plan.groups:
                self._run_group(group, window)
        return self.size

    def _initial(self, stage: _Stage) -> tuple[Array, ...]:
        """State words at the beginning of a window, each (inputs, neurons)."""
        return tuple(np.broadcast_to(word, (self.size, stage.size)) for word in stage.neurons.initial)

    def _run_group(self, group: list[_Stage], window: slice) -> None:
        """All steps of a tile for populations that step together."""
        steps = window.stop - window.start
        drives = {stage.name: self._drive(stage, window) for stage in group}
        spikes = {stage.name: np.empty((steps, self.size, stage.size), self.plan.count)
                  for stage in group if stage.population.spiking}
        for t in range(steps):
            for stage in group:
                drive = drives[stage.name][t]
                if stage.inside:
                    drive = drive + self._current(stage, stage.inside, t, 1)[0]
                self._step(stage, drive, spikes.get(stage.name), t, window.start + t)
        for name, found in spikes.items():
            self._report_spikes(name, found, window)

    def _drive(self, stage: _Stage, window: slice) -> Array:
        """What a population receives in the steps of a tile from outside its group, its constant included."""
        steps = window.stop - window.start
        if stage.population.driven:
            values = self.values[stage.name]
            held = values.ndim == 2
            drive = (values[None] if held else values[:, window].swapaxes(0, 1)).astype(stage.neurons.dtype)
        elif stage.outside:
            drive = self._current(stage, stage.outside, 0, steps)
        else:
            drive = np.zeros((1, 1, stage.size), stage.neurons.dtype)
        if stage.neurons.constant is not None:
            drive += stage.neurons.constant
        return np.broadcast_to(drive, (steps, self.size, stage.size))

    def _current(self, stage: _Stage, synapses: list[_Synapses], first: int, steps: int) -> Array:
        """Synaptic input in ``steps`` steps of the tile from ``first`` on, as integers (steps, inputs, neurons)."""
        total: Array | None = None
        for projection in synapses:
            trace = self.traces[projection.source]
            start = len(trace) - self.tile + first - projection.delay
            part = trace[start:start + steps]
            part = projection.product(part.reshape(steps * self.size, -1))
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        return total.astype(stage.neurons.dtype).reshape(steps, self.size, stage.size)

    def _step(self, stage: _Stage, drive: Array, spikes: Array | None, t: int, step: int) -> None:
        """One step of one population: ``t`` counts in the tile, ``step`` in the window."""
        name, run = stage.name, self.run_
        state, clamped = stage.neurons.step_at(step, self.states[name], drive, None if spikes is None else spikes[t])
        if spikes is not None and stage.history is not None:
            trace = self.traces[name]
            trace[len(trace) - self.tile + t] = spikes[t]
        if clamped is not None:
            clamps = run.clamps[name]
            clamps[self.rows, step] = _count_blocks(clamped, self.plan.blocks[name], clamps.dtype)
        if step == self.plan.steps - 1:
            if spikes is None:
                run.readouts[name][self.rows] = state[0]
            if not self.plan.endless:
                state = self._initial(stage)
        self.states[name] = state
        if name in run.membranes:
            for kept, word in zip((run.membranes[name], *run.states[name].values()), state, strict=True):
                kept[self.rows, step] = word
            if spikes is not None:
                run.spikes[name][self.rows, step] = spikes[t]

    def _report_spikes(self, name: str, spikes: Array, window: slice) -> None:
        """Count the spikes of a tile: counts (steps, inputs, neurons)."""
        popcounts = self.run_.popcounts[name]
        for plane in range(self.plan.spike_bits):
            bits = spikes if spikes.dtype == np.bool_ else (spikes >> plane & 1).astype(np.bool_)
            popcounts[self.rows, window, plane] = _count_blocks(bits, self.plan.blocks[name], popcounts.dtype).swapaxes(0, 1)
        if name in self.run_.spike_counts:
            self.run_.spike_counts[name][self.rows] += np.add.reduce(spikes, axis=0, dtype=np.int32)


def _count_blocks(counts: Array, starts: Ints, dtype: npt.DTypeLike) -> Array:
    """Sums in each block: (..., neurons) to (..., blocks). Bits in blocks that begin at whole bytes are counted as bytes."""
    if counts.dtype == np.bool_ and not np.any(starts % 8):
        counts, starts = np.bitwise_count(np.packbits(counts, axis=-1)), starts // 8
    return np.asarray(np.add.reduceat(counts, starts, axis=-1, dtype=dtype))
