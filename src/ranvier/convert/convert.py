"""Conversion: a conventional network to integers that spike.

An activation between 0 and a bound becomes a spike rate between 0 and 1 (Diehl et al., "Fast-classifying,
high-accuracy spiking deep networks through weight and threshold balancing", IJCNN 2015). The bound is that of the
Clip the network was trained with or, for a Relu, a high percentile of what calibration pictures cause, since the
largest value would make every other rate too small; reset is by subtraction, so nothing above the threshold is lost
(Rueckauer et al., "Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks for Image
Classification", Frontiers in Neuroscience 2017). Membranes start at half the threshold, which turns the floor of
counting spikes into rounding and makes the expected error zero (Bu et al., "Optimal ANN-SNN Conversion for
High-accuracy and Ultra-low-latency Spiking Neural Networks", ICLR 2022).

With lambda the bound of a layer (1 for the input), s the scale of a channel and W, b the layer's weights and bias:

    w = round(W * lambda_before / s)     theta = lambda / s, whole     bias = round(b / s)     v_init = theta // 2

The input neurons are the rate encoder: theta is the largest pixel value, and the picture is their bias. The last
layer does not spike: after T steps its membranes are T / s times the logits, with one s for all classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..frontends.conventional import Clip, Conventional, DenseLayer
from ..model.errors import RanvierError
from ..model.limits import Ints
from ..model.network.headroom import input_bounds, prove_headroom
from ..model.network.levels import schedule
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.network.semantics import Semantics
from .quantise import Floats, quantise_channels, quantise_thresholds, quantise_to

__all__ = ["Conversion", "ConversionReport", "LayerReport", "convert", "readout_to_logits"]

#: Called with the parts done and the parts there are.
Progress = Callable[[int, int], None]

#: Calibration pictures that are used; the first ones.
_PICTURES = 2000
_BATCH = 250
#: Half of the state word is kept for what arrives in one tick, half for the membrane; and the membrane shall have
#: room for this many thresholds on either side of 0.
_THRESHOLDS = 4
_SEMANTICS = Semantics(strict=False, reset="subtract")


@dataclass(frozen=True)
class LayerReport:
    """How far one layer is from the conventional one.

    name, neurons, bound
        The layer, its size, and lambda: the activation that one spike in every step stands for (1 for the readout).
    weight_error
        RMS of the weights' change by quantisation over the RMS of the weights.
    activation_error, conversion_error, quantisation_error
        Mean absolute differences over calibration pictures and neurons, over the mean absolute value of the
        conventional activation (of the logits in the last layer): quantised spikes against the conventional network;
        float-weight spikes against the conventional network; quantised against float-weight spikes. Errors of
        earlier layers are in them. None without calibration.
    saturated
        Share of activations above the bound, which a rate cannot show. None without calibration.
    """

    name: str
    neurons: int
    bound: float
    weight_error: float
    activation_error: float | None = None
    conversion_error: float | None = None
    quantisation_error: float | None = None
    saturated: float | None = None


@dataclass(frozen=True)
class ConversionReport:
    """What the conversion cost, layer by layer, at ``steps`` steps; ``notes`` are sentences for the user."""

    steps: int
    weight_bits: int
    layers: tuple[LayerReport, ...]
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> str:
        """Name of the layer with the largest activation error or, without calibration, weight error."""
        def error(layer: LayerReport) -> float:
            return layer.weight_error if layer.activation_error is None else layer.activation_error
        return max(self.layers, key=error).name

    @staticmethod
    def header() -> tuple[str, ...]:
        """Titles of the columns of `rows`."""
        return ("layer", "neurons", "bound", "weight error", "activation error", "from conversion",
                "from quantisation", "saturated")

    def rows(self) -> list[tuple[str, ...]]:
        """The layers as text, for a table; errors in percent, "-" where there was no calibration."""
        def percent(value: float | None) -> str:
            return "-" if value is None else f"{100 * value:.2f} %"
        return [(layer.name, str(layer.neurons), f"{layer.bound:.4g}", *map(percent, (
            layer.weight_error, layer.activation_error, layer.conversion_error, layer.quantisation_error,
            layer.saturated))) for layer in self.layers]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, ``worst`` included."""
        return {"steps": self.steps, "weight_bits": self.weight_bits, "worst": self.worst,
                "layers": [asdict(layer) for layer in self.layers], "notes": list(self.notes)}


@dataclass(frozen=True)
class Conversion:
    """A network and what it cost to get it."""

    network: Network
    report: ConversionReport


@dataclass(frozen=True, eq=False)
class _Spiking:
    """A layer as `_simulate` runs it: floats or whole numbers in float64; ``theta`` None in the readout."""

    weight: Floats
    bias: Floats
    theta: Floats | None
    v_init: Floats
    v_min: float = -np.inf
    v_max: float = np.inf


def convert(conventional: Conventional, *, steps: int, calibration: npt.ArrayLike | None = None, weight_bits: int = 4,
            state_bits: int = 16, input_bits: int = 8, percentile: float = 99.9,
            progress: Progress | None = None) -> Conversion:
    """Turn ``conventional`` into a spiking network of integers, with proof of its headroom and a report.

    steps
        Steps for which the report is made, 1 to 65535; the network itself runs for any number.
    calibration
        Pictures (n, input size), integers 0 to 2**input_bits - 1; needed if a layer has a Relu. The first 2,000 are
        used.
    weight_bits, state_bits, input_bits
        The number format, as in `Network`.
    percentile
        The bound of a Relu: above 50, at most 100.

    Raises `RanvierError` where an argument is out of range, a Relu has no calibration, or the state word is too
    narrow for the weights.
    """
    if type(steps) is not int or not 1 <= steps <= 65535:
        raise RanvierError(f"steps: {steps}; it must be 1 to 65535")
    if not 50 < percentile <= 100:
        raise RanvierError(f"percentile: {percentile}; it must be above 50 and at most 100")
    if type(state_bits) is not int or type(input_bits) is not int or not (
            12 <= state_bits <= 32 and 1 <= input_bits <= min(16, state_bits - 2)):
        raise RanvierError(
            f"state_bits {state_bits} and input_bits {input_bits}: state bits must be 12 to 32, "
            "input bits 1 to 16 and at least 2 fewer than state bits; change one of them")
    pictures = None if calibration is None else _pictures(calibration, conventional.input_size, input_bits)
    count = 0 if pictures is None else -(-len(pictures) // _BATCH)
    total, done = len(conventional.layers) + 2 * count, 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    bounds = _bounds(conventional, pictures, (1 << input_bits) - 1, percentile)
    quantised = []
    for layer, before, bound in zip(conventional.layers, [1.0, *bounds], [*bounds, None], strict=True):
        quantised.append(_quantise(layer, before, bound, weight_bits, state_bits))
        advance()
    network = _network(conventional, quantised, bounds, steps, (state_bits, weight_bits, input_bits))
    prove_headroom(network)
    schedule(network)
    reports = _weight_errors(conventional, quantised, bounds)
    if pictures is not None:
        reports = _activation_errors(conventional, network, bounds, pictures, steps, reports, advance)
    notes = (*conventional.notes, *_readout_note(network, steps))
    return Conversion(network, ConversionReport(steps, weight_bits, tuple(reports), notes))


def readout_to_logits(network: Network, membranes: npt.ArrayLike, steps: int) -> Floats:
    """Logits of the conventional network from a readout's ``membranes`` after ``steps`` steps: float64, same shape."""
    scale = network.info.get("readout_scale")
    if not isinstance(scale, float):
        raise RanvierError("network: its info has no readout_scale; convert it again")
    return np.asarray(membranes, np.float64) * (scale / steps)


def _pictures(calibration: npt.ArrayLike, size: int, input_bits: int) -> Ints:
    array = np.asarray(calibration)
    top = (1 << input_bits) - 1
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != size or not len(array):
        raise RanvierError(
            f"calibration: {array.dtype} of shape {array.shape}; it must be integers of shape (n, {size}): reshape it")
    if int(array.min()) < 0 or int(array.max()) > top:
        raise RanvierError(f"calibration: values from {array.min()} to {array.max()}; they must be 0 to {top}")
    return array[:_PICTURES].astype(np.int64)


def _bounds(conventional: Conventional, pictures: Ints | None, top: int, percentile: float) -> list[float]:
    """Lambda of each hidden layer."""
    hidden = conventional.layers[:-1]
    open_ended = [layer.name for layer in hidden if not isinstance(layer.activation, Clip)]
    if open_ended and pictures is None:
        raise RanvierError(
            f"layer {open_ended[0]}: a Relu has no upper bound; give pictures with --calibrate, or train with Clip")
    reached = conventional.preactivations(pictures / top) if open_ended and pictures is not None else []
    bounds = []
    for index, layer in enumerate(hidden):
        if isinstance(layer.activation, Clip):
            bounds.append(layer.activation.upper)
            continue
        bound = float(np.percentile(np.maximum(reached[index], 0), percentile))
        # A layer that calibration leaves silent spikes never, whatever its threshold.
        bounds.append(bound if bound > 1e-15 else 1.0)
    return bounds


@dataclass(frozen=True, eq=False)
class _Quantised:
    """Integers of a layer; ``theta`` is None in the readout, whose ``scale`` is then the same for all."""

    weight: Ints
    bias: Ints
    theta: Ints | None
    scale: Floats


def _quantise(layer: DenseLayer, before: float, bound: float | None, weight_bits: int, state_bits: int) -> _Quantised:
    half = (1 << state_bits - 2) - 1
    weight = layer.weight * before
    if bound is not None:
        return _Quantised(*quantise_thresholds(
            weight, layer.bias, bound, weight_bits, most_theta=half // _THRESHOLDS, most_input=half))
    # The bias has no part in the search: it can be as wide as the state word, and rounding it costs half a unit.
    integers, scale = quantise_channels(weight, weight_bits, common=True)
    for _ in range(64):
        offset = np.rint(layer.bias / scale)
        reach = np.maximum(np.maximum(integers, 0).sum(axis=0) + np.maximum(offset, 0),
                           np.maximum(-integers, 0).sum(axis=0) - np.minimum(offset, 0))
        if float(reach.max()) <= half:
            break
        # Coarser, until a step's contributions fit; the report shows what it costs.
        scale = scale * max(1.05, float(reach.max()) / half)
        integers = quantise_to(weight, scale, weight_bits)
    return _Quantised(integers, np.clip(offset, -(1 << 31), (1 << 31) - 1).astype(np.int64), None, scale)


def _network(conventional: Conventional, quantised: list[_Quantised], bounds: list[float], steps: int,
             bits: tuple[int, int, int]) -> Network:
    """The network with membranes as wide as headroom allows."""
    state_bits, weight_bits, input_bits = bits
    top, high = (1 << input_bits) - 1, (1 << state_bits - 1) - 1
    source = Population("input", (1, 1, conventional.input_size), "input",
                        {"theta": top, "v_init": top // 2, "v_min": 0, "v_max": top}, _SEMANTICS)
    populations, projections = [source], []
    for layer, integers in zip(conventional.layers, quantised, strict=True):
        theta = integers.theta
        most = 1 if theta is None else int(theta.max())
        rise = np.maximum(integers.weight, 0).sum(axis=0) + np.maximum(integers.bias, 0)
        fall = np.maximum(-integers.weight, 0).sum(axis=0) - np.minimum(integers.bias, 0)
        # One pair of bounds for the population, so that its neurons share a parameter row. Where the widest is
        # narrower than a threshold the proof of headroom shall fail and say so.
        parameters: dict[str, int | Ints] = {
            "bias": integers.bias, "v_max": max(high - int(rise.max()), most),
            "v_min": min(int(fall.max()) - high - 1, -most)}
        if theta is not None:
            parameters |= {"theta": theta, "v_init": theta // 2}
        populations.append(Population(layer.name, (1, 1, layer.bias.size), "li" if theta is None else "if",
                                      parameters, _SEMANTICS))
        projections.append(Projection.dense(populations[-2].name, layer.name, integers.weight))
    info = {
        "source": conventional.source, "steps": steps,
        "layers": [{"name": layer.name, "bound": bound, "scales": [float(s) for s in integers.scale]}
                   for layer, integers, bound in zip(conventional.layers, quantised, [*bounds, 1.0], strict=True)],
        "readout_scale": float(quantised[-1].scale[0]), "semantics": _SEMANTICS.to_json(),
    }
    return Network(tuple(populations), tuple(projections), state_bits, weight_bits, input_bits, info=info)


def _readout_note(network: Network, steps: int) -> list[str]:
    """A warning if the readout could reach its bounds within ``steps`` steps."""
    readout = network.readouts[0]
    positive, negative = input_bounds(network, readout)
    bias = network.parameter(readout, "bias")
    up = int((positive + np.maximum(bias, 0)).max())
    down = int((negative - np.minimum(bias, 0)).max())
    room = min(int(network.parameter(readout, "v_max").min()) // max(up, 1),
               int(-network.parameter(readout, "v_min").max()) // max(down, 1))
    if steps <= room:
        return []
    return [f"{readout.name}: its membranes are certain not to be clamped for {room} steps only; "
            f"watch the clamp counter or use more than {network.state_bits} state bits"]


# The report


def _weight_errors(conventional: Conventional, quantised: list[_Quantised], bounds: list[float]) -> list[LayerReport]:
    reports = []
    for layer, integers, before, bound in zip(
            conventional.layers, quantised, [1.0, *bounds], [*bounds, 1.0], strict=True):
        size = float(np.sqrt(np.mean(np.square(layer.weight))))
        change = integers.weight * integers.scale / before - layer.weight
        error = float(np.sqrt(np.mean(np.square(change)))) / size if size else 0.0
        reports.append(LayerReport(layer.name, layer.bias.size, bound, error))
    return reports


def _simulate(pictures: Ints, top: int, layers: list[_Spiking], steps: int) -> list[Floats]:
    """Mean spikes a step of each hidden layer, and the readout's membranes over the steps; (n, n_out) each.

    The spikes are those of the integer model; nothing here is counted or recorded, so a batch is a few products.
    """
    drive = pictures.astype(np.float64)
    encoder = np.full_like(drive, top // 2)
    states = [np.broadcast_to(layer.v_init, (len(drive), layer.bias.size)).copy() for layer in layers]
    sums = [np.zeros_like(state) for state in states]
    for _ in range(steps):
        encoder += drive
        spikes = (encoder >= top).astype(np.float64)
        encoder -= spikes * top
        for state, total, layer in zip(states, sums, layers, strict=True):
            state += spikes @ layer.weight + layer.bias
            if layer.theta is not None:
                spikes = (state >= layer.theta).astype(np.float64)
                state -= spikes * layer.theta
                total += spikes
            np.clip(state, layer.v_min, layer.v_max, out=state)
    return [total / steps for total in sums[:-1]] + [states[-1] / steps]


def _float_layers(conventional: Conventional, bounds: list[float]) -> list[_Spiking]:
    """The network as spikes with float weights and unbounded membranes: conversion without quantisation."""
    return [_Spiking(layer.weight * before, layer.bias, None if bound is None else np.array(bound),
                     np.array(0.0 if bound is None else bound / 2))
            for layer, before, bound in zip(conventional.layers, [1.0, *bounds], [*bounds, None], strict=True)]


def _integer_layers(network: Network) -> list[_Spiking]:
    """The quantised network; its whole numbers are far below 2**53, so float64 is exact."""
    layers = []
    for population, projection in zip(network.populations[1:], network.projections, strict=True):
        value = {name: network.parameter(population, name).astype(np.float64)
                 for name in ("bias", "theta", "v_init", "v_min", "v_max")}
        layers.append(_Spiking(projection.matrix.astype(np.float64), value["bias"],
                               value["theta"] if population.spiking else None, value["v_init"],
                               float(value["v_min"][0]), float(value["v_max"][0])))
    return layers


def _activation_errors(conventional: Conventional, network: Network, bounds: list[float], pictures: Ints, steps: int,
                       reports: list[LayerReport], advance: Callable[[], None]) -> list[LayerReport]:
    """``reports`` with the errors of activations, from running both kinds of network on the pictures."""
    top = (1 << network.input_bits) - 1
    floats, integers = _float_layers(conventional, bounds), _integer_layers(network)
    depth = len(reports)
    # Sums of |activation|, of the three differences, and of activations above the bound.
    sums = np.zeros((depth, 5))
    for start in range(0, len(pictures), _BATCH):
        batch = pictures[start:start + _BATCH]
        before = conventional.preactivations(batch / top)
        float_rates = _simulate(batch, top, floats, steps)
        advance()
        integer_rates = _simulate(batch, top, integers, steps)
        advance()
        for index, layer in enumerate(conventional.layers):
            wanted, hidden = layer.activate(before[index]), index < depth - 1
            loose = float_rates[index] * (bounds[index] if hidden else 1.0)
            exact = integer_rates[index] * (bounds[index] if hidden else float(network.info["readout_scale"]))
            above = float(np.sum(before[index] > bounds[index])) if hidden else 0.0
            parts = (wanted, exact - wanted, loose - wanted, exact - loose)
            sums[index] += [*(float(np.abs(part).sum()) for part in parts), above]
    found = []
    for index, (report, (size, *differences, above)) in enumerate(zip(reports, sums, strict=True)):
        total, conversion, quantisation = (float(d / size) if size > 0 else float(d) for d in differences)
        found.append(replace(
            report, activation_error=total, conversion_error=conversion, quantisation_error=quantisation,
            saturated=float(above) / (len(pictures) * report.neurons) if index < depth - 1 else None))
    return found
