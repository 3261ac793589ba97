"""Other settings, tried on calibration samples: what would give more than the settings asked for.

Nothing is advised that was not measured to help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..frontends.conventional import Clip, Conventional, Floats
from ..model.errors import RanvierError
from ..model.network.headroom import prove_headroom
from ..model.network.network import Network
from .answer import choose
from .bounds import hidden_bounds
from .measure import Measured, Yardstick
from .network import Quantised, Quantiser, Units, make_network, quantise_readout
from .report import AccuracyReport, Advice
from .simulate import Trace, float_layers, integer_layers, simulate, simulation_cost

__all__ = ["Settings", "Trials", "advise"]

#: Room that the readout keeps beyond what calibration samples need.
_MARGIN = 1.25
#: Samples of a trial, weights that all trials may quantise together, and multiply-adds that they may take.
_SAMPLES, _WEIGHTS, _WORK = 500, 400_000, 12_000_000_000
_PERCENTILES = (99.5, 99.0, 98.0, 95.0, 90.0, 100.0)
_MOST_STEPS = 256
#: A change is worth a line if it takes this much off the loss, and this share of it.
_WORTH, _SHARE = 0.005, 0.1
#: Changes are tried smaller ones first, and a larger one must be better by this much.
_SLIGHT = 0.002
#: Changes that are combined at most, and lines of advice.
_TURNS, _LINES = 3, 4


@dataclass(frozen=True)
class Settings:
    """The arguments of `convert` that advice can change."""

    steps: int
    weight_bits: int
    state_bits: int
    input_bits: int
    percentile: float
    spike_bits: int = 1

    @property
    def bits(self) -> tuple[int, int, int, int]:
        """Bits of state, weight, input and spike."""
        return self.state_bits, self.weight_bits, self.input_bits, self.spike_bits

    @property
    def units(self) -> Units:
        """What a count stands for."""
        return Units.of(self.spike_bits, self.input_bits)


@dataclass(frozen=True)
class _Outcome:
    """What settings gave."""

    loss: float
    figure: float
    settings: Settings


class Trials:
    """Networks of one conversion for any settings. ``measured`` are the samples to simulate, ``reached`` those of all samples."""

    def __init__(self, conventional: Conventional, reached: list[Floats] | None, measured: Measured | None, yardstick: Yardstick | None,
                 quantiser: Quantiser, info: dict[str, Any]) -> None:
        self.conventional, self.reached, self.measured, self.yardstick = conventional, reached, measured, yardstick
        self.quantiser, self.info = quantiser, info

    def make(self, settings: Settings, advance: Callable[[], None] = lambda: None) -> tuple[Network, list[float], list[Quantised]]:
        """The network, the bounds of its hidden layers, and its layers as integers."""
        bounds = hidden_bounds(self.conventional, self.reached, settings.percentile)
        layers = self.quantiser.layers(bounds, settings.weight_bits, settings.state_bits, settings.units, advance)
        network = self._network(layers, bounds, settings)
        if self.measured is None or self.yardstick is None or _certain(layers[-1], settings):
            return network, bounds, layers
        trace = self._unbounded(network, self.measured, settings)
        rise, fall = layers[-1].reach
        high = (1 << settings.state_bits - 1) - 1
        # A coarser scale shrinks what a step brings as it shrinks the membrane, and headroom is for both.
        factor = max((_MARGIN * float(trace.highest.max()) + rise) / high, (fall - _MARGIN * float(trace.lowest.min())) / (high + 1))
        if factor > 1:
            layers = [*layers[:-1], self._readout(layers[-1], factor, trace, bounds, settings)]
            network = self._network(layers, bounds, settings)
        return network, bounds, layers

    def _network(self, layers: list[Quantised], bounds: list[float], settings: Settings) -> Network:
        return make_network(self.conventional, layers, bounds, settings.bits, {"steps": settings.steps, **self.info})

    def _unbounded(self, network: Network, measured: Measured, settings: Settings) -> Trace:
        """A run in which no clamp stops the readout."""
        layers = integer_layers(network)
        layers[-1] = replace(layers[-1], v_min=-np.inf, v_max=np.inf)
        return simulate(measured.samples, settings.units, layers, [settings.steps], settings.steps)

    def _readout(self, finest: Quantised, factor: float, trace: Trace, bounds: list[float], settings: Settings) -> Quantised:
        """The coarsest readout, which leaves the most room, unless its rounding costs more than the clamps of a finer one.

        The rates of the layer before say what its membranes come to, so that no candidate needs a run.
        """
        layer, sources, units = self.conventional.layers[-1], self.conventional.sources()[-1], settings.units
        each, most = [1.0, *bounds], [units.top / units.theta, *(float(units.most) for _ in bounds)]
        measured, yardstick = self.measured, self.yardstick
        assert measured is not None and yardstick is not None
        rates = [measured.rates, *trace.rates]
        wanted = layer.bias + sum(part.apply(rates[source + 1] * each[source + 1])
                                  for part, source in zip(layer.synapses, sources, strict=True))
        counts = [rates[source + 1] * most[source + 1] for source in sources]
        befores = [units.of_layers(bounds)[source + 1] for source in sources]
        candidates = [finest, *(quantise_readout(layer, befores, settings.weight_bits, settings.state_bits, units.most,
                                                 float(finest.scale[0]) * factor ** power) for power in (1 / 3, 2 / 3, 1))]
        high = (1 << settings.state_bits - 1) - 1

        def loss(found: Quantised) -> float:
            rise, fall = found.reach
            membranes = np.clip(settings.steps * (found.values(counts) + found.bias), fall - high - 1, high - rise)
            values = membranes * (found.scale[0] / settings.steps)
            if yardstick.answer.kind == "value":
                return float(np.mean(np.square(values - wanted)))
            return float(np.mean(choose(yardstick.answer, values) != choose(yardstick.answer, wanted)))
        losses = [loss(found) for found in candidates]
        enough = max(1.1 * min(losses), min(losses) + (0.0 if yardstick.answer.kind == "value" else _WORTH))
        return next(found for found, cost in zip(reversed(candidates), reversed(losses), strict=True) if cost <= enough)

    def fewer(self, samples: int) -> Trials:
        """The same for the first samples; what is quantised is shared."""
        measured, yardstick = self.measured, self.yardstick
        assert measured is not None and yardstick is not None
        return Trials(self.conventional, self.reached, measured.first(samples), yardstick.first(samples), self.quantiser, self.info)

    def trial(self, settings: Settings) -> tuple[float, float] | None:
        """Loss and figure with other settings; None where they give no network."""
        measured, yardstick = self.measured, self.yardstick
        assert measured is not None and yardstick is not None
        try:
            network, _, _ = self.make(settings)
            prove_headroom(network)
        except RanvierError:
            return None
        trace = simulate(measured.samples, settings.units, integer_layers(network), [settings.steps], settings.steps)
        values = trace.readouts[settings.steps] * (float(network.info["readout_scale"]) / settings.steps)
        return yardstick.loss(values), yardstick.figure(values)


def _certain(readout: Quantised, settings: Settings) -> bool:
    """Whether no sample at all can bring the readout to its bounds."""
    high = (1 << settings.state_bits - 1) - 1
    return all(settings.steps * reach <= high - reach for reach in readout.reach)


def advise(trials: Trials, settings: Settings, loss: float, accuracy: AccuracyReport, told: Callable[[float], None]) -> list[Advice]:
    """The settings that help most, best first: one change each, and the best change with others on top."""
    assert trials.measured is not None and trials.yardstick is not None
    if loss <= trials.yardstick.bearable:
        return []
    samples = min(_SAMPLES, len(trials.measured.samples))
    trials, budget = trials.fewer(samples), _Budget(trials.conventional, samples)
    assert trials.yardstick is not None
    unchanged = trials.trial(settings)
    if unchanged is None or unchanged[0] <= trials.yardstick.bearable:
        return []
    best, reached, current = list[_Outcome](), unchanged[0], settings
    for turn in range(_TURNS):
        def part(share: float, turn: int = turn) -> None:
            told((turn + share) / _TURNS)
        kinds = _best_of_each(trials, settings, current, budget, part)
        helping = [outcome for outcome in kinds if _helps(reached, outcome.loss)]
        best += helping if turn == 0 else helping[:1]
        if not helping or helping[0].loss <= trials.yardstick.bearable:
            break
        current, reached = helping[0].settings, helping[0].loss
    best.sort(key=lambda outcome: outcome.loss)
    return [Advice(_changes(settings, outcome.settings), outcome.figure, unchanged[1], samples) for outcome in best[:_LINES]]


def _best_of_each(trials: Trials, settings: Settings, current: Settings, budget: _Budget,
                  told: Callable[[float], None]) -> list[_Outcome]:
    """For each thing that can be changed in ``current`` and was not changed yet, the best change; the best of all first."""
    found: dict[str, _Outcome] = {}
    changes = list(_single(trials.conventional, current))
    for done, changed in enumerate(changes):
        told(done / len(changes))
        (name,) = _changes(current, changed)
        if name in _changes(settings, current) or not budget.pay(trials, changed):
            continue
        tried = trials.trial(changed)
        if tried is not None and (name not in found or tried[0] < found[name].loss - _SLIGHT):
            found[name] = _Outcome(*tried, changed)
    return sorted(found.values(), key=lambda outcome: outcome.loss)


def _helps(before: float, after: float) -> bool:
    return before - after >= max(_WORTH, _SHARE * before)


def _changes(settings: Settings, changed: Settings) -> dict[str, Any]:
    return {name: value for name, value in asdict(changed).items() if value != getattr(settings, name)}


def _single(conventional: Conventional, settings: Settings) -> Iterator[Settings]:
    """Settings that differ in one thing, the smaller changes first."""
    for factor in (2, 4, 8):
        if settings.steps * factor <= _MOST_STEPS:
            yield replace(settings, steps=settings.steps * factor)
    for bits in (8, 16):
        if bits > settings.weight_bits:
            yield replace(settings, weight_bits=bits)
    if settings.state_bits < 24:
        yield replace(settings, state_bits=24)
    if any(not isinstance(layer.activation, Clip) for layer in conventional.layers[:-1]):
        for percentile in _PERCENTILES:
            if percentile != settings.percentile:
                yield replace(settings, percentile=percentile)


@dataclass
class _Budget:
    """What trials may still cost."""

    conventional: Conventional
    samples: int
    weights: int = _WEIGHTS
    work: int = _WORK

    def pay(self, trials: Trials, settings: Settings) -> bool:
        """Whether a trial of ``settings`` can be afforded; it is then paid for."""
        bounds = hidden_bounds(self.conventional, trials.reached, settings.percentile)
        weights = trials.quantiser.missing(bounds, settings.weight_bits, settings.state_bits, settings.units)
        work = simulation_cost(float_layers(self.conventional, bounds, settings.units)) * self.samples * settings.steps
        if weights > self.weights or work > self.work:
            return False
        self.weights, self.work = self.weights - weights, self.work - work
        return True
