"""Conversion: a conventional network to integers that spike.

An activation between 0 and a bound becomes a spike rate between 0 and 1 (Diehl et al., "Fast-classifying,
high-accuracy spiking deep networks through weight and threshold balancing", IJCNN 2015). The bound is that of the
Clip the network was trained with or, for a Relu, a high percentile of what calibration samples cause, since the
largest value would make every other rate too small; reset is by subtraction, so nothing above the threshold is lost
(Rueckauer et al., "Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks for Image
Classification", Frontiers in Neuroscience 2017). Membranes start at half the threshold, which turns the floor of
counting spikes into rounding and makes the expected error zero (Bu et al., "Optimal ANN-SNN Conversion for
High-accuracy and Ultra-low-latency Spiking Neural Networks", ICLR 2022).

The input neurons are the rate encoder: theta is the largest input value, and the sample is their bias. What else the values
of a sample mean (`inputs`) is in the weights and the bias of the first layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files.input_mapping import InputMapping
from ..files.samples import Samples
from ..frontends.conventional import Answer, Conventional
from ..model.errors import RanvierError
from ..model.limits import MAX_SPIKE_BITS
from ..model.network.headroom import prove_headroom
from ..model.network.levels import schedule
from ..model.network.network import Network
from .advice import Settings, Trials, advise
from .answer import answer_json, decide_answer
from .bounds import hidden_bounds, needs_samples, silent_layers
from .inputs import fold_inputs
from .measure import Measured, Yardstick, reported_ticks
from .network import Quantised, Quantiser
from .report import AccuracyReport, ConversionReport, LayerReport
from .samples import as_samples, better_inputs, input_values, range_note
from .simulate import Trace, float_layers, integer_layers, simulate, simulation_cost

__all__ = ["Conversion", "ConversionReport", "LayerReport", "convert"]

#: Called with the parts done and the parts there are.
Progress = Callable[[int, int], None]

#: Calibration samples that are used; the first ones.
_SAMPLES = 2000
#: Multiply-adds that one simulation may take, a few seconds; and the samples that it takes at least.
_WORK = 8_000_000_000
_FEWEST = 100
#: A membrane of the readout that comes within this share of its bound is worth a word.
_NEAR = 0.95
#: Parts of the progress: quantisation, simulation, trials of other settings.
_PARTS = (40, 40, 20)


@dataclass(frozen=True)
class Conversion:
    """A network and what it cost to get it."""

    network: Network
    report: ConversionReport

    def __repr__(self) -> str:
        accuracy = self.report.accuracy
        found = "" if accuracy is None else f", {accuracy.measure} {accuracy.shown(accuracy.spiking[self.report.steps])}"
        return f"Conversion({self.report.steps} steps{found}; {self.network!r})"


def convert(conventional: Conventional | str | os.PathLike[str], *, steps: int, calibration: npt.ArrayLike | Samples | None = None,
            labels: npt.ArrayLike | None = None, weight_bits: int = 4, state_bits: int = 16, input_bits: int = 8,
            percentile: float = 99.9, input_range: Sequence[float] | None = None, mean: npt.ArrayLike | None = None,
            std: npt.ArrayLike | None = None, answer: str | None = None, spike_bits: int = 1,
            progress: Progress | None = None) -> Conversion:
    """Turn ``conventional`` into a spiking network of integers, with proof of its headroom and a report.

    conventional
        The network, or the ONNX file that it is in.
    steps
        Steps for which the report is made and for which the readout has room, 1 to 65535; the network itself runs for any
        number.
    calibration
        Samples (n, input size); needed if a layer has a Relu. As in files, integers are 0 to 2**input_bits - 1, floats and
        bool 0 to 1, or all lie in ``input_range``. The first 2,000 are used.
    labels
        What the samples are, (n,): then the report has accuracies. `Samples` bring their own.
    weight_bits, state_bits, input_bits
        The number format, as in `Network`.
    percentile
        The bound of a Relu, a percentile of the activations that are not 0: above 50, at most 100.
    input_range, mean, std
        What the values of samples mean to the conventional network; see `InputMapping`. Runs of the network map samples alike.
    answer
        "class", "binary" or "value", where the file does not say what the outputs mean; see `Answer`.
    spike_bits
        Width of the count that a spike carries, 1 to 8. With more than 1 and ``steps`` 1 the network is a conventional one whose
        activations are rounded to so many bits.

    Raises `RanvierError` where an argument is out of range, a Relu has no calibration, or the state word is too
    narrow for the weights.
    """
    settings = _settings(steps, percentile, weight_bits, state_bits, input_bits, spike_bits)
    source = _conventional(conventional)
    mapping = InputMapping.of(source.input_size, input_range, mean, std, source.shape if source.channels_first else None)
    folded = fold_inputs(mapping, source)
    samples = None if calibration is None else as_samples(calibration, labels, source.input_size)
    measured = None if samples is None else _measured(samples, mapping, input_bits)
    answer_is, answer_notes = decide_answer(folded, answer, None if measured is None else measured.labels)
    notes = [*source.notes, *answer_notes]
    if samples is not None:
        notes += range_note(samples, mapping, input_bits)
    run = _Run(folded, settings, answer_is, mapping, measured, _Bar(progress))
    network, bounds, quantised = run.network()
    notes += run.notes_of_layers(network)
    reports = _weight_errors(folded, quantised, bounds, settings)
    report = ConversionReport(settings.steps, weight_bits, tuple(reports))
    if run.yardstick is not None and measured is not None:
        report, found = run.measure(network, bounds, report)
        notes += [*run.yardstick.notes, *found]
        if samples is not None and run.yardstick.measure == "accuracy":
            notes += better_inputs(source, run.yardstick.answer, samples, mapping, input_bits, _SAMPLES)
    else:
        notes += _unmeasured(network, settings.steps)
    run.bar.end()
    return Conversion(network, replace(report, notes=tuple(notes)))


# Arguments


def _settings(steps: int, percentile: float, weight_bits: int, state_bits: int, input_bits: int, spike_bits: int) -> Settings:
    numbers: dict[str, Any] = {"steps": steps, "weight_bits": weight_bits, "state_bits": state_bits, "input_bits": input_bits,
                               "spike_bits": spike_bits}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise RanvierError(f"{name}: {value!r}; it must be a whole number")
        numbers[name] = int(value)
    if not 1 <= numbers["steps"] <= 65535:
        raise RanvierError(f"steps: {steps}; it must be 1 to 65535")
    if not 1 <= numbers["spike_bits"] <= MAX_SPIKE_BITS:
        raise RanvierError(f"spike_bits: {spike_bits}; it must be 1 to {MAX_SPIKE_BITS}")
    if isinstance(percentile, (str, bytes)) or not 50 < percentile <= 100:
        raise RanvierError(f"percentile: {percentile}; it must be above 50 and at most 100")
    if not (12 <= numbers["state_bits"] <= 32 and 1 <= numbers["input_bits"] <= min(16, numbers["state_bits"] - 2)):
        raise RanvierError(
            f"state_bits {state_bits} and input_bits {input_bits}: state bits must be 12 to 32, "
            "input bits 1 to 16 and at least 2 fewer than state bits; change one of them")
    return Settings(**numbers, percentile=float(percentile))


def _conventional(given: Conventional | str | os.PathLike[str]) -> Conventional:
    if isinstance(given, Conventional):
        return given
    if isinstance(given, (str, os.PathLike)):
        from ..frontends.onnx import load_onnx
        return load_onnx(given)
    raise RanvierError(f"convert: a {type(given).__name__} is no network; give what load_onnx gives, or the file's name")


def _measured(samples: Samples, mapping: InputMapping, input_bits: int) -> Measured:
    values = input_values(samples, mapping, input_bits, _SAMPLES)
    return Measured(values.astype(np.int64), None if samples.labels is None else samples.labels[:_SAMPLES], (1 << input_bits) - 1)


@dataclass
class _Bar:
    """Progress in percent, in steps of one."""

    report: Progress | None
    done: int = 0

    def part(self, index: int) -> Callable[[float], None]:
        """What a part of the work is told the share of it that is done."""
        start = sum(_PARTS[:index])
        return lambda share: self._to(start + int(min(share, 1.0) * _PARTS[index]))

    def end(self) -> None:
        """All is done."""
        self._to(sum(_PARTS))

    def _to(self, percent: int) -> None:
        while self.done < percent:
            self.done += 1
            if self.report is not None:
                self.report(self.done, sum(_PARTS))


# The work


class _Run:
    """One conversion: what does not change with the settings that are tried, and what was found so far."""

    def __init__(self, conventional: Conventional, settings: Settings, answer: Answer | None, mapping: InputMapping,
                 measured: Measured | None, bar: _Bar) -> None:
        self.conventional, self.settings, self.bar = conventional, settings, bar
        self.measured = measured
        if measured is None and needs_samples(conventional):
            hidden_bounds(conventional, None, settings.percentile)    # raises, and names the layer
        self.reached = None if measured is None else conventional.preactivations(measured.rates)
        extra: dict[str, Any] = {}
        if answer is not None and answer != Answer("class"):
            extra["answer"] = answer_json(answer)
        if not mapping.plain:
            extra["input"] = mapping.to_json()
        few = None if measured is None else self._few(measured)
        self.yardstick = None if few is None else Yardstick.of(answer, conventional, few)
        self.trials = Trials(conventional, self.reached, few, self.yardstick, Quantiser(conventional), extra)
        self.few = few

    def _few(self, measured: Measured) -> Measured:
        """As many samples as can be simulated in a few seconds."""
        cost = simulation_cost(float_layers(self.conventional, [1.0] * (len(self.conventional.layers) - 1), self.settings.units))
        return measured.first(max(_FEWEST, _WORK // (cost * max(reported_ticks(self.settings.steps)))))

    def network(self) -> tuple[Network, list[float], list[Quantised]]:
        """The network, proved."""
        told, done = self.bar.part(0), 0

        def advance() -> None:
            nonlocal done
            done += 1
            told(done / len(self.conventional.layers))
        network, bounds, quantised = self.trials.make(self.settings, advance)
        prove_headroom(network)
        schedule(network)
        return network, bounds, quantised

    def notes_of_layers(self, network: Network) -> list[str]:
        """Layers that no sample activates, and those that quantisation has emptied."""
        notes = []
        if self.reached is not None:
            notes += [f"layer {name}: no calibration sample activates it, so its threshold is a guess and it adds nothing; "
                      "give samples that do, or check the training" for name in silent_layers(self.conventional, self.reached)]
        for layer in self.conventional.layers:
            made = [projection for projection in network.projections if projection.destination == layer.name]
            if any(np.any(part.weight) for part in layer.synapses) and not any(np.any(projection.weights) for projection in made):
                notes.append(f"layer {layer.name}: every weight became 0 in {network.weight_bits} bits; use more weight_bits or state_bits")
        return notes

    def measure(self, network: Network, bounds: list[float], report: ConversionReport) -> tuple[ConversionReport, list[str]]:
        """``report`` with everything that samples show, and notes on layers that clamp or fall silent."""
        few, yardstick, steps = self.few, self.yardstick, self.settings.steps
        assert few is not None and yardstick is not None
        told = self.bar.part(1)
        ticks = reported_ticks(steps)
        units = self.settings.units
        integers = simulate(few.samples, units, integer_layers(network), ticks, steps, lambda n: told(0.6 * n / len(few.samples)))
        floats = simulate(few.samples, units, float_layers(self.conventional, bounds, units), [steps], steps,
                          lambda n: told(0.6 + 0.4 * n / len(few.samples)))
        scale = float(network.info["readout_scale"])
        accuracy = AccuracyReport(yardstick.measure, len(few.samples), yardstick.conventional, {
            tick: yardstick.figure(readouts * (scale / tick)) for tick, readouts in integers.readouts.items()})
        layers = _activation_errors(self.conventional, bounds, few, steps, (integers, floats), scale, list(report.layers))
        notes = self._silenced(integers) + self._clamped(network, integers)
        loss = yardstick.loss(integers.readouts[steps] * (scale / steps))
        advice = advise(self.trials, self.settings, loss, accuracy, self.bar.part(2))
        return replace(report, layers=tuple(layers), accuracy=accuracy, advice=tuple(advice)), notes

    def _silenced(self, trace: Trace) -> list[str]:
        """Layers that are active in the conventional network, and silent after quantisation."""
        assert self.reached is not None
        silent = silent_layers(self.conventional, self.reached)
        notes = [f"layer {layer.name}: no neuron spikes in {self.settings.steps} steps on calibration samples, though the conventional "
                 "layer is active; use more steps, more weight_bits or a lower percentile"
                 for layer, rates in zip(self.conventional.layers, trace.rates, strict=False)
                 if layer.name not in silent and not np.any(rates)]
        last = trace.readouts[self.settings.steps]
        if len(last) > 1 and np.all(last == last[0]):
            notes.append(f"layer {self.conventional.layers[-1].name}: its readout is the same for every calibration sample")
        return notes

    def _clamped(self, network: Network, trace: Trace) -> list[str]:
        """A word if calibration samples bring the readout's membranes to their bounds, or near."""
        readout, steps = network.readouts[0], self.settings.steps
        v_max, v_min = (int(network.parameter(readout, name)[0]) for name in ("v_max", "v_min"))
        count, mend = int(trace.clamped[-1].sum()), "use more state_bits" + (" or fewer steps" if steps > 1 else "")
        if count:
            return [f"{readout.name}: in {count} of {len(trace.clamped[-1])} calibration samples a clamp changes its membranes within "
                    f"{steps} steps; {mend}"]
        if max(float(trace.highest.max()) / v_max, float(trace.lowest.min()) / v_min) > _NEAR:
            return [f"{readout.name}: calibration samples bring its membranes near their bounds within {steps} steps; {mend}"]
        return []


def _unmeasured(network: Network, steps: int) -> list[str]:
    """Without samples only the proof is known: a word if the readout could reach its bounds within ``steps`` steps."""
    readout = network.readouts[0]
    positive, negative = network.arrivals(readout)
    bias = network.parameter(readout, "bias")
    up = int((positive + np.maximum(bias, 0)).max())
    down = int((negative - np.minimum(bias, 0)).max())
    room = min(int(network.parameter(readout, "v_max").min()) // max(up, 1),
               int(-network.parameter(readout, "v_min").max()) // max(down, 1))
    if steps <= room:
        return []
    return [f"{readout.name}: without calibration samples its membranes are certain not to be clamped for {room} steps only; "
            "give samples with calibration=, so that its scale leaves room, and watch the clamp counter"]


# Errors of the layers


def _weight_errors(conventional: Conventional, quantised: list[Quantised], bounds: list[float], settings: Settings) -> list[LayerReport]:
    each = settings.units.of_layers(bounds)
    return [LayerReport(layer.name, layer.bias.size, bound, integers.error(layer, [each[source + 1] for source in sources]))
            for layer, integers, sources, bound in zip(conventional.layers, quantised, conventional.sources(), [*bounds, 1.0], strict=True)]


def _activation_errors(conventional: Conventional, bounds: list[float], measured: Measured, steps: int, traces: tuple[Trace, Trace],
                       scale: float, reports: list[LayerReport]) -> list[LayerReport]:
    """``reports`` with the errors of activations, from both kinds of network on the samples."""
    before = conventional.preactivations(measured.rates)
    integers, floats = ([*trace.rates, trace.readouts[steps] / steps] for trace in traces)
    found = []
    for index, (layer, report) in enumerate(zip(conventional.layers, reports, strict=True)):
        hidden = index < len(reports) - 1
        wanted = layer.activate(before[index])
        loose = floats[index] * (bounds[index] if hidden else 1.0)
        exact = integers[index] * (bounds[index] if hidden else scale)
        size = float(np.abs(wanted).sum())
        total, conversion, quantisation = (float(np.abs(part).sum()) / (size or 1.0)
                                           for part in (exact - wanted, loose - wanted, exact - loose))
        found.append(replace(report, activation_error=total, conversion_error=conversion, quantisation_error=quantisation,
                             saturated=float(np.mean(before[index] > bounds[index])) if hidden else None))
    return found
