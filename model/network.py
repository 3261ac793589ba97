"""The network: populations of neurons and the projections between them, in integers.

Names follow PyNN: a population is a group of equal neurons, a projection is a set of synapses from one
population to another (Davison et al., "PyNN: a common interface for neuronal network simulators", 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import RanvierError
from .fixed import NO_LEAK, ROUNDING
from .semantics import Semantics

__all__ = ["KINDS", "MAX_DELAY", "PARAMETERS", "Ints", "Network", "Population", "Projection"]

Ints = npt.NDArray[np.int64]

#: Neuron kinds of this fabric. `input` lives in the input unit, `li` is a readout that never spikes.
KINDS = ("input", "if", "lif", "li")
#: Longest delay of a projection in source steps, and of a hop in hardware ticks.
MAX_DELAY = 15
#: Parameters of a neuron and the value each takes when the population does not say.
PARAMETERS: Mapping[str, int | None] = {
    "theta": 1, "bias": 0, "k": NO_LEAK, "v_reset": 0, "v_min": None, "v_max": None, "v_init": 0,
}
_MAX_NEURONS = 1 << 20
_WORD = 1 << 31


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    name
        Unique in the network; letters, digits, ``_ - . /``, at most 64 characters.
    shape
        (height, width, channels); a dense layer of n neurons is (1, 1, n).
    kind
        One of `KINDS`.
    parameters
        Integers, or integer arrays of ``channels`` or ``height x width x channels`` entries: ``theta`` (at least
        1), ``bias``, ``k`` (0 to 65536, 65536 is no leak), ``v_reset``, ``v_min``, ``v_max``, ``v_init``.
        ``v_min`` and ``v_max`` default to the whole range of the network's state word.
    semantics
        How the population steps; a `li` never spikes and never resets, whatever stands here.
    """

    name: str
    shape: tuple[int, int, int]
    kind: str
    parameters: Mapping[str, int | Ints] = field(default_factory=dict)
    semantics: Semantics = field(default_factory=Semantics)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= 64 or not all(
                c.isalnum() or c in "_-./" for c in self.name):
            raise RanvierError(f"population {self.name!r}: a name is 1 to 64 letters, digits or _ - . /")
        if self.kind not in KINDS:
            raise RanvierError(f"population {self.name}: kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if len(self.shape) != 3 or any(not isinstance(n, int) or n < 1 for n in self.shape):
            raise RanvierError(f"population {self.name}: shape is {self.shape}; it must be three positive integers")
        if self.size > _MAX_NEURONS:
            raise RanvierError(f"population {self.name}: {self.size} neurons; at most {_MAX_NEURONS} are supported")
        unknown = sorted(set(self.parameters) - set(PARAMETERS))
        if unknown:
            raise RanvierError(f"population {self.name}: unknown parameter {unknown[0]!r}")
        if self.kind in ("input", "if") and np.any(self.parameter("k", 32) != NO_LEAK):
            raise RanvierError(f"population {self.name}: kind {self.kind} has no leak, so k must be {NO_LEAK}")

    @property
    def size(self) -> int:
        """Number of neurons."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def spiking(self) -> bool:
        """Whether its neurons can spike (all kinds but `li`)."""
        return self.kind != "li"

    def parameter(self, name: str, state_bits: int) -> Ints:
        """Parameter ``name`` of every neuron: int64, shape (size,)."""
        value = self.parameters.get(name, PARAMETERS[name])
        if value is None:
            value = -(1 << state_bits - 1) if name == "v_min" else (1 << state_bits - 1) - 1
        array = np.asarray(value)
        if array.dtype.kind not in "iu":
            raise RanvierError(f"population {self.name}: {name} must be integers, not {array.dtype}")
        if array.size and (int(array.max()) >= _WORD or int(array.min()) < -_WORD):
            raise RanvierError(f"population {self.name}: {name} does not fit 32 bits")
        if array.size not in (1, self.shape[2], self.size):
            raise RanvierError(
                f"population {self.name}: {name} has {array.size} entries; "
                f"it must have 1, {self.shape[2]} or {self.size}")
        flat = array.astype(np.int64).reshape(-1)
        return np.ascontiguousarray(np.resize(flat, self.size))


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another.

    source, destination
        Names of populations; equal names make a recurrence.
    weights
        Kernel, integers of shape (kernel height, kernel width, source channels, destination channels). A dense
        layer is the 1 x 1 kernel between 1 x 1 images; this fabric's cores have that form only.
    delay
        Source steps between a spike and its effect, 0 to `MAX_DELAY`. A recurrence needs at least 1 around
        each cycle.
    exponent
        Every weight counts ``2**exponent``; 0 to 15.
    """

    source: str
    destination: str
    weights: Ints
    delay: int = 0
    exponent: int = 0

    @classmethod
    def dense(cls, source: str, destination: str, weights: npt.ArrayLike, delay: int = 0,
              exponent: int = 0) -> Projection:
        """All-to-all synapses from a matrix of shape (source neurons, destination neurons)."""
        matrix = np.asarray(weights)
        if matrix.ndim != 2:
            raise RanvierError(
                f"projection {source} -> {destination}: dense weights have {matrix.ndim} dimensions, not 2")
        return cls(source, destination, matrix.reshape(1, 1, *matrix.shape), delay, exponent)

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.dtype.kind not in "iu":
            raise RanvierError(f"projection {self.name}: weights must be integers, not {weights.dtype}")
        if weights.ndim != 4 or 0 in weights.shape:
            raise RanvierError(
                f"projection {self.name}: weights have shape {weights.shape}; a kernel has four dimensions")
        if weights.shape[:2] != (1, 1):
            raise RanvierError(
                f"projection {self.name}: a {weights.shape[0]} x {weights.shape[1]} kernel; "
                "this fabric has dense projections only")
        if int(weights.max()) >= 1 << 15 or int(weights.min()) < -(1 << 15):
            raise RanvierError(f"projection {self.name}: weights do not fit 16 bits")
        for label, value, most in (("delay", self.delay, MAX_DELAY), ("exponent", self.exponent, 15)):
            if not isinstance(value, int) or not 0 <= value <= most:
                raise RanvierError(f"projection {self.name}: {label} is {value}; it must be 0 to {most}")
        object.__setattr__(self, "weights", np.ascontiguousarray(weights, dtype=np.int64))

    @property
    def name(self) -> str:
        """``source -> destination``, for messages."""
        return f"{self.source} -> {self.destination}"

    @property
    def matrix(self) -> Ints:
        """Weights without the exponent as int64 (source neurons, destination neurons)."""
        matrix: Ints = self.weights[0, 0]
        return matrix


@dataclass(frozen=True, eq=False)
class Network:
    """Populations, projections, and the number format they are meant for.

    state_bits
        Width S of the membrane word, 12 to 32.
    weight_bits
        Width of a signed weight: 2, 4, 8 or 16.
    input_bits
        Width of the unsigned value that the host gives an input neuron in each step, 1 to 16.
    spike_bits
        Width of the count that a spike carries; 1 on this fabric.
    rounding
        Rounding of `decay`, one choice per fabric: ``nearest`` or ``zero``.
    info
        What the converter wants reports to say (plain JSON values).
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    state_bits: int = 16
    weight_bits: int = 4
    input_bits: int = 8
    spike_bits: int = 1
    rounding: str = "nearest"
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.state_bits, int) or not 12 <= self.state_bits <= 32:
            raise RanvierError(f"network: state_bits is {self.state_bits}; it must be 12 to 32")
        if self.weight_bits not in (2, 4, 8, 16):
            raise RanvierError(f"network: weight_bits is {self.weight_bits}; it must be 2, 4, 8 or 16")
        if not isinstance(self.input_bits, int) or not 1 <= self.input_bits <= 16:
            raise RanvierError(f"network: input_bits is {self.input_bits}; it must be 1 to 16")
        if self.spike_bits != 1:
            raise RanvierError(f"network: spike_bits is {self.spike_bits}; this fabric's spikes are single bits")
        if self.rounding not in ROUNDING:
            raise RanvierError(f"network: rounding is {self.rounding!r}; it must be one of {', '.join(ROUNDING)}")
        if not self.populations:
            raise RanvierError("network: there are no populations")
        if len(self.by_name) != len(self.populations):
            raise RanvierError("network: two populations have the same name")
        for population in self.populations:
            self._check_parameters(population)
        for projection in self.projections:
            self._check_projection(projection)

    @cached_property
    def by_name(self) -> dict[str, Population]:
        """Populations by their names."""
        return {population.name: population for population in self.populations}

    @property
    def inputs(self) -> tuple[Population, ...]:
        """Populations that the host drives."""
        return tuple(p for p in self.populations if p.kind == "input")

    @property
    def readouts(self) -> tuple[Population, ...]:
        """Populations whose membranes are the answer (`li`)."""
        return tuple(p for p in self.populations if p.kind == "li")

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """Projections that end in population ``name``, in the network's order."""
        return tuple(p for p in self.projections if p.destination == name)

    def parameter(self, population: Population, name: str) -> Ints:
        """Parameter ``name`` of every neuron of ``population``: int64, shape (size,)."""
        return population.parameter(name, self.state_bits)

    def _check_parameters(self, population: Population) -> None:
        low, high = -(1 << self.state_bits - 1), (1 << self.state_bits - 1) - 1
        ranges = {"theta": (1, high), "k": (0, NO_LEAK)}
        values = {name: self.parameter(population, name) for name in PARAMETERS}
        for name, value in values.items():
            least, most = ranges.get(name, (low, high))
            bad = np.flatnonzero((value < least) | (value > most))
            if bad.size:
                raise RanvierError(
                    f"population {population.name}: {name} of neuron {bad[0]} is {value[bad[0]]}; "
                    f"it must be {least} to {most} with {self.state_bits} state bits")
        for name in ("v_reset", "v_init"):
            bad = np.flatnonzero((values[name] < values["v_min"]) | (values[name] > values["v_max"]))
            if bad.size:
                raise RanvierError(f"population {population.name}: {name} of neuron {bad[0]} is outside v_min to v_max")

    def _check_projection(self, projection: Projection) -> None:
        for end in (projection.source, projection.destination):
            if end not in self.by_name:
                raise RanvierError(f"projection {projection.name}: there is no population {end!r}")
        source, destination = self.by_name[projection.source], self.by_name[projection.destination]
        if destination.kind == "input":
            raise RanvierError(f"projection {projection.name}: an input population has no synapses")
        if not source.spiking:
            raise RanvierError(f"projection {projection.name}: {source.name} is a readout and never spikes")
        if projection.matrix.shape != (source.size, destination.size):
            raise RanvierError(
                f"projection {projection.name}: weights are {projection.matrix.shape[0]} x "
                f"{projection.matrix.shape[1]}, the populations have {source.size} and {destination.size} neurons")
        bound = 1 << self.weight_bits - 1
        if int(projection.matrix.max()) >= bound or int(projection.matrix.min()) < -bound:
            raise RanvierError(f"projection {projection.name}: a weight does not fit {self.weight_bits} bits")
