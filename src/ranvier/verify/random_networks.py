"""Random networks and inputs, for every test that compares two of Ranvier's stages.

All randomness comes from one numpy generator, so a failing case is one seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fixed import NO_LEAK, ROUNDING
from ..model.limits import MAX_DELAY, Ints
from ..model.network.headroom import prove_headroom
from ..model.network.levels import schedule
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.network.semantics import CURRENTS, MOMENTS, RESETS, Semantics
from ..model.neurons.kind import Family, Kind, Options
from ..model.neurons.registry import DEFAULT_FAMILY, FAMILIES, driven_family

__all__ = ["Inputs", "random_inputs", "random_network"]

Rng = np.random.Generator
Inputs = dict[str, npt.NDArray[Any]]

_ATTEMPTS = 200


def random_network(rng: Rng, config: FabricConfig | None = None, *, max_neurons: int = 12, max_hidden: int = 4,
                   max_inputs: int = 2, max_readouts: int = 2, recurrent: bool = True, wide: bool = False, rich: bool = False,
                   seed: int | None = None) -> Network:
    """A network that passes `prove_headroom` and `schedule`, and that is meant to be unpleasant.

    Several projections end in one population, also twice from the same source; there are skips, recurrences, source
    delays of 0 to 3 and now and then up to 15, exponents, weights at the most negative value, thresholds of 1 and of
    the whole word, no leak, whole leak, bounds that clamp, biases, every reset, `>` and `>=`.

    Where there are windows also images and convolutions: padding on every side, strides beyond the kernel, dilation, images of one
    pixel, channels that are no power of two, groups, depthwise and pooling kernels; and what else a fabric has: counts of up to 8
    bits, synaptic currents that meet their bounds, resets in the next tick.

    config
        Fabric whose number format, number of levels and features the network keeps; without one the format is random.
    max_neurons, max_hidden, max_inputs, max_readouts
        Largest population, and numbers of populations (there is at least one input and one readout).
    recurrent
        Whether there may be cycles.
    rich
        Without a fabric: counts, currents, resets in the next tick, and convolutions.
    wide
        Everything that a network can have: also none of the inputs or none of the readouts, delays and exponents to 15 as often as
        others, and rings of up to 15 populations, whose period K is their length.
    """
    for _ in range(_ATTEMPTS):
        form = _Format.of(config) if config is not None else _Format.random(rng, rich)
        draft = _Draft(rng, form, max_neurons, wide)
        numbers = [int(rng.integers(1, max_inputs + 1)), int(rng.integers(0, max_hidden + 1)), int(rng.integers(1, max_readouts + 1))]
        ring = draft.shape(numbers) if wide and recurrent else 0
        draft.add_populations(*numbers)
        draft.connect(recurrent, ring)
        network = draft.network({} if seed is None else {"seed": seed})
        prove_headroom(network)
        try:
            depth = schedule(network).depth
        except RanvierError:  # a hop that came out longer than the fabric's delays
            continue
        if config is None or depth < config.levels and _longest_hop(network) <= config.delays:
            return network
    raise AssertionError(f"no network for {config} in {_ATTEMPTS} attempts")


def _longest_hop(network: Network) -> int:
    plan = schedule(network)
    return max((max(p.delay, plan.delay(p)) for p in network.projections), default=1)


def random_inputs(rng: Rng, network: Network, batch: int, steps: int, per_step: bool | None = None) -> Inputs:
    """Values for every input population: (batch, n), or (batch, steps, n) where ``per_step``; random where None.

    Each input of the batch is silent, full, sparse, or uniform.
    """
    high = (1 << network.input_bits) - 1
    found: Inputs = {}
    for population in network.inputs:
        changing = bool(rng.integers(2)) if per_step is None else per_step
        shape = (batch, steps, population.size) if changing else (batch, population.size)
        values = rng.integers(0, high + 1, shape)
        for row in values:
            style = rng.integers(5)
            if style == 0:
                row[...] = 0
            elif style == 1:
                row[...] = high
            elif style == 2:
                row[rng.random(row.shape) < 0.7] = 0
        found[population.name] = values.astype([np.uint16, np.int64, np.uint32][rng.integers(3)])
    return found


@dataclass(frozen=True)
class _Format:
    """The number format of a network, and what its neurons on cores compute."""

    state_bits: int
    weight_bits: int
    input_bits: int
    rounding: str
    family: Family
    doubling: int = 1
    options: Options = Options()
    windows: bool = False

    @classmethod
    def of(cls, config: FabricConfig) -> _Format:
        return cls(config.state_bits, config.weight_bits, config.input_bits, config.rounding, config.family("core"), config.doubling,
                   config.options("core"), bool(config.windows))

    @classmethod
    def random(cls, rng: Rng, rich: bool = False) -> _Format:
        state_bits = int(rng.choice([12, 16, 24, 25, 32]) if rng.random() < 0.5 else rng.integers(12, 33))
        plain = cls(state_bits, int(rng.choice([2, 4, 8, 16])), int(rng.integers(1, min(16, state_bits - 2) + 1)),
                    str(rng.choice(list(ROUNDING))), FAMILIES[DEFAULT_FAMILY])
        if not rich:
            return plain
        options = Options(int(rng.choice([1, 1, 2, 3, 4, 5, 8])), *(bool(rng.random() < 0.7) for _ in range(2)))
        return replace(plain, options=options, windows=bool(rng.random() < 0.8))

    @property
    def most(self) -> int:
        """The largest count that a spike carries."""
        return (1 << self.options.spike_bits) - 1

    @property
    def high(self) -> int:
        return (1 << self.state_bits - 1) - 1


@dataclass
class _Draft:
    """A network in the making: names and sizes first, then synapses, then the parameters that leave them room."""

    rng: Rng
    form: _Format
    max_neurons: int
    wide: bool = False
    period: int = 1      #: length of the ring, where there is one
    kinds: dict[str, Kind] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    projections: list[Projection] = field(default_factory=list)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def shape(self, numbers: list[int]) -> int:
        """Sometimes no inputs, no readouts, or a ring: ``numbers`` of populations by kind changes. The length of the ring, or 0."""
        if self.chance(0.1):
            numbers[0] = 0
        if self.chance(0.1):
            numbers[2] = 0
        if self.chance(0.35):
            self.period = numbers[1] = int(self.rng.integers(2, MAX_DELAY + 1))
            self.max_neurons = min(self.max_neurons, 6)
            return self.period
        if not sum(numbers):
            numbers[1] = 1
        return 0

    def add_populations(self, inputs: int, hidden: int, readouts: int) -> None:
        """Populations of every sort of kind that the family has; a family without readouts ends in spikes."""
        driven = [kind for kind in driven_family().kinds if kind.driven]
        on_cores = [kind for kind in self.form.family.kinds if not kind.driven and (self.form.options.currents or not kind.currents)]
        spiking, silent = ([kind for kind in on_cores if kind.spikes == spikes] for spikes in (True, False))
        ends = (silent or spiking)[:1] * readouts
        if self.form.options.currents:
            ends = [(silent or spiking)[self.rng.choice(len(silent or spiking))] for _ in ends]
        kinds = [*driven * inputs, *(spiking[self.rng.choice(len(spiking))] for _ in range(hidden)), *ends]
        for index, kind in enumerate(kinds):
            self.kinds[f"{kind.name}{index}"] = kind
            name, size = f"{kind.name}{index}", int(self.rng.integers(1, self.max_neurons + 1))
            self.shapes[name] = self.image() if self.form.windows and self.chance(0.7) else (1, 1, size)
            self.sizes[name] = math.prod(self.shapes[name])

    def image(self) -> tuple[int, int, int]:
        """A small shape; often of one pixel, a line, or with the channels of others."""
        height, width = (int(self.rng.choice([1, 2, 3, 4, 5, 6])) for _ in range(2))
        channels = int(self.rng.choice([1, 2, 3, 4, 6]))
        while height * width * channels > max(self.max_neurons, 6) * 4:
            height, width = (height + 1) // 2, (width + 1) // 2
            channels = channels if height * width > 1 else 1
        return height, width, channels

    def connect(self, recurrent: bool, ring: int = 0) -> None:
        """Every population that is not an input gets a source before it; some get more, also from behind.

        ``ring`` hidden populations are joined to a ring with one delay of 1 in it, so that they need a period of as many ticks.
        """
        names = list(self.kinds)
        hidden = [name for name in names if self.kinds[name].spikes and not self.kinds[name].driven][:ring]
        for n, name in enumerate(hidden):
            self.project(name, hidden[(n + 1) % ring], int(n == ring - 1), fixed=True)
        for index, name in enumerate(names):
            if self.kinds[name].driven:
                continue
            earlier = [other for other in names[:index] if self.kinds[other].spikes]
            if earlier and not (self.wide and self.chance(0.05)):
                self.project(str(self.rng.choice(earlier)), name, 0)
            for source in earlier:
                for _ in range(2):
                    if self.chance(0.06 if ring else 0.25):
                        self.project(source, name, 0)
            later = [other for other in names[index:] if self.kinds[other].spikes and not self.kinds[other].driven]
            for source in later if recurrent and self.kinds[name].spikes else ():
                if self.chance(0.08 if ring else 0.35):
                    self.project(source, name, 1)

    def project(self, source: str, destination: str, least_delay: int, fixed: bool = False) -> None:
        """Draw a projection; ``fixed`` keeps its delay at the least."""
        rng, low = self.rng, -(1 << self.form.weight_bits - 1)
        kernel = self.kernel(source, destination) if self.form.windows and self.chance(0.75) else None
        shape: tuple[int, ...] = (self.sizes[source], self.sizes[destination]) if kernel is None else kernel.pop("shape")
        weights = rng.integers(low, -low, shape)
        style = rng.integers(5)
        if style == 0:
            weights[...] = low
        elif style == 1:
            weights = rng.choice([low, -low - 1, 0], shape)
        elif style == 2:
            weights[rng.random(shape) < 0.7] = 0
        delay = least_delay if self.chance(0.4) else int(rng.integers(least_delay, 4))
        if self.chance(0.1):
            delay = int(rng.integers(4, MAX_DELAY + 1))
        exponent = int(rng.integers(0, 5)) if self.chance(0.4) else 0
        if self.wide and self.chance(0.35):
            delay = min(int(rng.integers(4, MAX_DELAY + 4)), MAX_DELAY)
        if self.wide and self.chance(0.35):    # few and small weights, or there would be no room
            exponent = int(rng.integers(5, 16))
            weights = rng.choice([-1, 0, 1], shape) * (rng.random(shape) < 2 / math.prod(shape[:-1]))
        if fixed:
            delay = least_delay
        elif self.period > 1:
            delay = max(least_delay, int(rng.integers(0, (MAX_DELAY - self.period) // self.period + 1)))    # no hop is too long
        if not self.form.doubling:
            exponent = 0
        if kernel is None:
            self.projections.append(Projection.dense(source, destination, weights, delay, exponent))
            return
        if kernel["groups"] > 1 and self.chance(0.3):    # a sum, as in pooling
            weights[...] = 1
        self.projections.append(Projection.conv(source, destination, weights, delay=delay, exponent=exponent, **kernel))

    def kernel(self, source: str, destination: str) -> dict[str, Any] | None:
        """Shape and geometry of a convolution between two populations, or None where no draw fits their sizes."""
        rng, ends = self.rng, (self.shapes[source], self.shapes[destination])
        axes = [self.axis(*(shape[axis] for shape in ends)) for axis in (0, 1)]
        vertical, horizontal = axes
        if vertical is None or horizontal is None:
            return None
        channels, outputs = (shape[2] for shape in ends)
        divisors = [n for n in range(1, channels + 1) if channels % n == 0 and outputs % n == 0]
        groups = divisors[-1] if self.chance(0.3) else int(rng.choice(divisors))
        (kh, down, below, top, bottom), (kw, right, beside, first, last) = vertical, horizontal
        return {"shape": (kh, kw, channels // groups, outputs), "stride": (down, right), "padding": (top, bottom, first, last),
                "dilation": (below, beside), "groups": groups}

    def axis(self, size: int, wanted: int) -> tuple[int, int, int, int, int] | None:
        """Kernel, stride, dilation and paddings along an axis that make ``wanted`` pixels of ``size``."""
        for _ in range(20):
            kernel, stride, dilation = (int(self.rng.choice(some)) for some in ([1, 2, 3, 3, 4, 5], [1, 1, 2, 3, 4, 7], [1, 1, 1, 2, 3]))
            extent = dilation * (kernel - 1) + 1
            padding = (wanted - 1) * stride + extent - size + int(self.rng.integers(stride))
            least, most = max(0, padding - extent + 1), min(extent - 1, padding)
            if least <= most and padding + size >= extent:
                first = int(self.rng.integers(least, most + 1))
                return kernel, stride, dilation, first, padding - first
        return None

    def network(self, info: dict[str, Any]) -> Network:
        self.fit()
        form = self.form
        return Network(tuple(self.population(name) for name in self.kinds), tuple(self.projections), form.state_bits,
                       form.weight_bits, form.input_bits, form.options.spike_bits, rounding=form.rounding, info=info)

    def arriving(self, name: str) -> tuple[Ints, Ints]:
        """P and N of every neuron, by the definition in the number format."""
        host = (1 << self.form.input_bits) - 1 if self.kinds[name].driven else 0
        positive, negative = np.full(self.sizes[name], host), np.zeros(self.sizes[name], np.int64)
        for projection in self.projections:
            if projection.destination == name:
                ends = (Population(end, self.shapes[end], self.kinds[end].name) for end in (projection.source, name))
                more, less = projection.contributions(*ends)
                positive += more * (self.form.most << projection.exponent)
                negative += less * (self.form.most << projection.exponent)
        return positive, negative

    def fit(self) -> None:
        """Take exponents, then low bits of weights away where what can arrive would not leave room for a membrane."""
        for name in self.kinds:
            while max(bound.max() for bound in self.arriving(name)) > self.form.high * 7 // 8:
                self.projections = [
                    p if p.destination != name else replace(
                        p, weights=p.weights if p.exponent else np.fix(p.weights / 2).astype(np.int64), exponent=max(p.exponent - 1, 0))
                    for p in self.projections]

    def population(self, name: str) -> Population:
        rng, kind, size = self.rng, self.kinds[name], self.sizes[name]
        v_min, v_max, bias = self.bounds(name)
        parameters: dict[str, Any] = {"v_min": v_min, "v_max": v_max, "bias": bias, "theta": self.theta(name)}
        for inner in ("v_reset", "v_init"):
            choices = [np.clip(0, v_min, v_max), v_min, v_max, rng.integers(v_min, v_max + 1)]
            parameters[inner] = choices[rng.integers(4)]
        family = driven_family() if kind.driven else self.form.family
        own = {p.name: p for p in family.parameters if p.name not in kind.constants}
        if "k" in own and (kind.spikes or self.chance(0.5)):
            leaks = [np.full(size, NO_LEAK), np.zeros(size, np.int64), rng.integers(0, NO_LEAK + 1, size),
                     rng.choice([0, 1, 32767, 32768, 32769, 65535, NO_LEAK], size), rng.integers(60000, NO_LEAK, size)]
            parameters["k"] = leaks[rng.integers(len(leaks))]
        if family.quantities and self.chance(0.7):
            parameters |= family.plausible(rng, size, self.form.state_bits)
            parameters |= {"v_min": np.full(size, -self.form.high - 1), "v_max": np.full(size, self.form.high)}
        for missing in sorted(set(own) - set(parameters) - {"k"}):
            least, most = own[missing].range(self.form.state_bits)
            parameters[missing] = rng.integers(least, most + 1, size)
        parameters = {key: value for key, value in parameters.items() if key in own}
        semantics = Semantics(strict=self.chance(0.5), reset=str(rng.choice(RESETS)))
        if kind.currents:
            self.currents(name, parameters)
            semantics = replace(semantics, current=str(rng.choice(CURRENTS)))
        if self.form.options.next_tick and not kind.driven and not kind.own_reset:
            semantics = self.moment(name, parameters, semantics)
        shape = self.shapes[name]
        if self.chance(0.3):
            parameters = {key: int(np.asarray(value).flat[0]) if np.all(value == np.asarray(value).flat[0]) else value
                          for key, value in parameters.items()}
        return Population(name, shape, kind.name, parameters, semantics)

    def currents(self, name: str, parameters: dict[str, Any]) -> None:
        """A synaptic current within bounds that leave room for what arrives; the membrane may then have any."""
        rng, size, high = self.rng, self.sizes[name], self.form.high
        parameters["i_min"], parameters["i_max"] = self.bounds(name, biased=False)[:2]
        ends = np.clip(0, parameters["i_min"], parameters["i_max"]), parameters["i_min"], parameters["i_max"]
        parameters["i_init"] = ends[rng.choice(3, p=[0.6, 0.2, 0.2])]
        if self.chance(0.4):
            parameters |= {"v_min": np.full(size, -high - 1), "v_max": np.full(size, high)}
        if self.chance(0.2):
            parameters["bias"] = rng.integers(-high - 1, high + 1, size)

    def moment(self, name: str, parameters: dict[str, Any], semantics: Semantics) -> Semantics:
        """When the reset acts; what a subtraction in the next tick takes has its place in the proof, so thetas become as small."""
        moment = str(self.rng.choice([*MOMENTS, "next_tick"]))
        if moment == "next_tick" and semantics.reset == "none" or moment == "old_v" and semantics.reset != "value":
            return semantics
        if moment == "next_tick" and semantics.reset == "subtract" and not self.kinds[name].currents:
            room = self.form.high + 1 + np.minimum(parameters["v_min"], 0) + np.minimum(parameters["bias"], 0) - self.arriving(name)[1]
            if np.any(room < self.form.most):
                return semantics
            parameters["theta"] = np.minimum(parameters["theta"], room // self.form.most)
        return replace(semantics, reset_moment=moment)

    def theta(self, name: str) -> Ints:
        """Thresholds: mostly such that a part of the neurons spike."""
        rng, size, high = self.rng, self.sizes[name], self.form.high
        positive, _ = self.arriving(name)
        style = rng.integers(6)
        if style == 0:
            return np.ones(size, np.int64)
        if style == 1:
            return rng.choice([1, 2, high], size)
        if style == 2:
            return rng.integers(1, high + 1, size)
        return np.minimum(rng.integers(1, np.maximum(positive, 1) + 1), high)

    def bounds(self, name: str, biased: bool = True) -> tuple[Ints, Ints, Ints]:
        """v_min, v_max and bias that leave room for all that can arrive; without ``biased`` no bias."""
        rng, size, high, low = self.rng, self.sizes[name], self.form.high, -self.form.high - 1
        positive, negative = self.arriving(name)
        bias = np.zeros(size, np.int64)
        if biased and self.chance(0.5):
            arrives = np.maximum(positive, negative)
            if self.wide and not arrives.any():    # nothing else moves these neurons
                arrives = arrives + high // 16
            most = np.minimum(arrives + 1, np.minimum(high - positive, -low - negative))
            bias = rng.integers(-most, most + 1)
        top = high - positive - np.maximum(bias, 0)
        bottom = low + negative - np.minimum(bias, 0)
        v_max = [top, np.minimum(top, positive // 2), np.minimum(top, rng.integers(0, 4, size)),
                 rng.integers(0, top + 1), rng.integers(bottom, top + 1)][rng.choice(5, p=[0.3, 0.2, 0.2, 0.2, 0.1])]
        v_min = [bottom, np.zeros(size, np.int64), np.maximum(bottom, -(negative // 2)), rng.integers(bottom, 1),
                 v_max][rng.choice(5, p=[0.3, 0.2, 0.2, 0.25, 0.05])]
        return np.minimum(v_min, v_max), v_max, bias
