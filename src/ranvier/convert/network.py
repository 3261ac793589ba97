"""Layers to integers, and the network that they make.

A spike counts up to M = 2**spike_bits - 1. With lambda the bound of a layer, one count stands for the unit u = lambda / M, in the
input for theta / top. With s the scale of a channel and W, b the layer's weights and bias:

    w = round(W * u_before / s)     theta = u / s, whole     bias = round(b / s)     v_init = theta // 2

The readout does not spike: after T steps its membranes are T / s times the logits, with one s for all outputs. At T = 1 a count is
the rounded activation: a conventional network with quantised activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..frontends.conventional import Conventional, DenseLayer, Layer
from ..frontends.synapses import Synapses
from ..model.limits import Ints
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.network.semantics import Semantics
from .quantise import Floats, quantise_channels, quantise_thresholds, quantise_to

__all__ = ["Quantised", "Quantiser", "Units", "make_network", "quantise_readout"]

#: Half of the state word is kept for what arrives in one tick, half for the membrane; and the membrane shall have
#: room for this many thresholds on either side of 0.
_THRESHOLDS = 4
#: Share by which rounding a threshold may change what a file's own integers mean.
_THETA_ERROR = 0.01
_MOST_EXPONENT = 15
_SEMANTICS = Semantics(strict=False, reset="subtract")


@dataclass(frozen=True)
class Units:
    """What one count of a layer stands for.

    ``most`` is the largest count of a spike, ``theta`` the threshold of the input neurons, whose largest value is ``top``.
    """

    most: int
    theta: int
    top: int

    @classmethod
    def of(cls, spike_bits: int, input_bits: int) -> Units:
        """The threshold of the input is the least that lets the largest value fit into one count."""
        most, top = (1 << spike_bits) - 1, (1 << input_bits) - 1
        return cls(most, -(-top // most), top)

    def of_layers(self, bounds: Sequence[float]) -> list[float]:
        """Units of the input and of the hidden layers with these bounds."""
        return [self.theta / self.top, *(bound / self.most for bound in bounds)]


@dataclass(frozen=True, eq=False)
class Quantised:
    """Integers of a layer.

    ``synapses`` have int64 weights, each of which counts 2**exponent. ``bias`` is (neurons,), ``theta`` and ``scale`` (channels,);
    ``theta`` is None in the readout, whose ``scale`` is then the same for all. ``most`` is the largest count that arrives.
    """

    synapses: tuple[Synapses, ...]
    exponents: tuple[int, ...]
    bias: Ints
    theta: Ints | None
    scale: Floats
    most: int = 1

    @property
    def reach(self) -> tuple[int, int]:
        """The most that a step can add to a membrane of the layer, and take from it."""
        rise, fall = (_sums(self.synapses, self.exponents, self.bias.size, sign) * self.most for sign in (1, -1))
        return int((rise + np.maximum(self.bias, 0)).max()), int((fall - np.minimum(self.bias, 0)).max())

    def values(self, inputs: Sequence[Floats]) -> Floats:
        """What a step brings without the bias, (n, neurons), for mean counts (n, neurons) of each layer that is read."""
        parts = [part.apply(counts) * float(1 << exponent)
                 for part, exponent, counts in zip(self.synapses, self.exponents, inputs, strict=True)]
        return np.asarray(sum(parts[1:], parts[0]), np.float64)

    def error(self, layer: Layer, befores: Sequence[float]) -> float:
        """RMS of the weights' change by quantisation over the RMS of the weights."""
        change, size = 0.0, 0.0
        for part, exponent, wanted, before in zip(self.synapses, self.exponents, layer.synapses, befores, strict=True):
            exact = _channel_rows(wanted, self.scale.size)
            found = _channel_rows(part, self.scale.size) * float(1 << exponent) * self.scale / before
            change, size = change + float(np.square(found - exact).sum()), size + float(np.square(exact).sum())
        return float(np.sqrt(change / size)) if size else 0.0


def _sums(synapses: Sequence[Synapses], exponents: Sequence[int], neurons: int, sign: int) -> Ints:
    """Sums of the positive (``sign`` 1) or negative (-1) weights of each neuron, (neurons,)."""
    total = np.zeros(neurons, np.int64)
    for part, exponent in zip(synapses, exponents, strict=True):
        sums = np.maximum(sign * part.rows, 0).sum(axis=0) << exponent
        total += np.resize(sums, neurons)
    return total


def _channel_rows(part: Synapses, channels: int) -> Any:
    """The weights as a matrix (weights of a channel, channels); a matrix to several pixels has the rows of all of them."""
    return part.weight.reshape(-1, channels)


@dataclass
class Quantiser:
    """Quantises the layers of one network; what it has found once it gives again, since the search takes most of the time."""

    conventional: Conventional
    found: dict[tuple[Any, ...], Quantised] = field(default_factory=dict)

    def _keys(self, bounds: Sequence[float], weight_bits: int, state_bits: int, units: Units) -> list[tuple[Any, ...]]:
        """For each layer its number, the units of what it reads, its own (None in the readout), and the widths."""
        each = units.of_layers(bounds)
        sources = self.conventional.sources()
        return [(index, tuple(each[source + 1] for source in sources[index]), unit, weight_bits, state_bits, units.most)
                for index, unit in enumerate([*each[1:], None])]

    def layers(self, bounds: Sequence[float], weight_bits: int, state_bits: int, units: Units,
               advance: Callable[[], None] = lambda: None) -> list[Quantised]:
        """Every layer, the readout last; ``bounds`` are the lambdas of the hidden ones."""
        result = []
        for layer, key in zip(self.conventional.layers, self._keys(bounds, weight_bits, state_bits, units), strict=True):
            if key not in self.found:
                _, befores, unit, *_ = key
                self.found[key] = (_hidden(layer, befores, unit, weight_bits, state_bits, units.most) if unit is not None
                                   else quantise_readout(layer, befores, weight_bits, state_bits, units.most))
            result.append(self.found[key])
            advance()
        return result

    def missing(self, bounds: Sequence[float], weight_bits: int, state_bits: int, units: Units) -> int:
        """Weights that would have to be quantised for these bounds and bits."""
        keys = self._keys(bounds, weight_bits, state_bits, units)
        return sum(part.weight.size for layer, key in zip(self.conventional.layers, keys, strict=True) if key not in self.found
                   for part in layer.synapses)


def _half(state_bits: int) -> int:
    return (1 << state_bits - 2) - 1


@dataclass(frozen=True, eq=False)
class _Rows:
    """All weights of a layer, in units of what it reads: (rows, channels), each divided by its synapses' 2**exponent."""

    layer: Layer
    matrix: Floats
    exponents: tuple[int, ...]
    often: Floats

    @classmethod
    def of(cls, layer: Layer, befores: Sequence[float], most: int) -> _Rows:
        """Synapses whose weights are far larger than others', as those of a residual connection, count 2**exponent."""
        parts = [_channel_rows(part, layer.shape[2]) * before for part, before in zip(layer.synapses, befores, strict=True)]
        peaks = [float(np.abs(part).max()) for part in parts]
        least = min((peak for peak in peaks if peak > 0), default=1.0)
        exponents = tuple(min(_MOST_EXPONENT, int(np.log2(peak / least))) if peak > 0 else 0 for peak in peaks)
        scaled = [part / (1 << exponent) for part, exponent in zip(parts, exponents, strict=True)]
        often = [np.full(len(part), float(most << exponent)) for part, exponent in zip(parts, exponents, strict=True)]
        return cls(layer, np.vstack(scaled), exponents, np.concatenate(often))

    def synapses(self, integers: Ints) -> tuple[Synapses, ...]:
        """The layer's synapses with these integers."""
        ends = np.cumsum([part.weight.size // self.layer.shape[2] for part in self.layer.synapses])[:-1]
        return tuple(part.with_rows(rows) for part, rows in zip(self.layer.synapses, np.split(integers, ends), strict=True))

    def bias(self) -> Floats:
        """The bias of each channel that is largest in any pixel, (channels,)."""
        pixels = self.layer.bias.reshape(-1, self.layer.shape[2])
        found: Floats = np.take_along_axis(pixels, np.abs(pixels).argmax(axis=0)[None], 0)[0]
        return found


def _hidden(layer: Layer, befores: Sequence[float], unit: float, weight_bits: int, state_bits: int, most: int) -> Quantised:
    half, rows = _half(state_bits), _Rows.of(layer, befores, most)
    weight, bias, theta, scale = quantise_thresholds(rows.matrix, rows.bias(), unit, weight_bits, most_theta=half // _THRESHOLDS,
                                                     most_input=half, reach=rows.often)
    kept = _kept(layer, weight_bits)
    if kept is not None:
        # The file's integers, channel by channel, where their threshold fits; only that is rounded then.
        (integers, grid), before = kept, befores[0]
        whole = np.clip(np.rint(unit / (grid * before)), 1, half // _THRESHOLDS)
        offset = np.rint(layer.bias / (unit / whole))
        reach = np.maximum(np.maximum(integers, 0).sum(axis=0) * most + np.maximum(offset, 0),
                           np.maximum(-integers, 0).sum(axis=0) * most - np.minimum(offset, 0))
        good = (np.abs(whole * grid * before / unit - 1) < _THETA_ERROR) & (reach <= half)
        weight = np.where(good, integers, weight)
        theta, bias = np.where(good, whole, theta).astype(np.int64), np.where(good, offset, bias).astype(np.int64)
        scale = np.where(good, unit / whole, scale)
    if layer.bias.size > bias.size:
        bias = _whole(np.rint(layer.bias / np.resize(scale, layer.bias.size)))
    return Quantised(rows.synapses(weight), rows.exponents, bias, theta, scale, most)


def _whole(values: Floats) -> Ints:
    return np.clip(values, -(1 << 31), (1 << 31) - 1).astype(np.int64)


def _kept(layer: Layer, weight_bits: int) -> tuple[Ints, Floats] | None:
    """The integers that the file holds, if they fit."""
    if not isinstance(layer, DenseLayer) or layer.quantised is None:
        return None
    most = 1 << weight_bits - 1
    integers = layer.quantised[0]
    return layer.quantised if int(integers.min()) >= -most and int(integers.max()) < most else None


def quantise_readout(layer: Layer, befores: Sequence[float], weight_bits: int, state_bits: int, most: int = 1,
                     coarsest: float = 0.0) -> Quantised:
    """The last layer, its scale not below ``coarsest``: a coarser scale makes smaller membranes."""
    half, rows = _half(state_bits), _Rows.of(layer, befores, most)
    weight, neurons = rows.matrix, layer.bias.size
    # The bias has no part in the search: it can be as wide as the state word, and rounding it costs half a unit.
    kept = _kept(layer, weight_bits)
    if kept is not None and np.all(kept[1] == kept[1][0]):
        integers, scale = kept[0], kept[1] * befores[0]
    else:
        integers, scale = quantise_channels(weight, weight_bits, common=True)
    if scale[0] < coarsest:
        scale = scale / scale[0] * min(coarsest * np.geomspace(1, 1.25, 12), key=lambda s: _error(weight, float(s), weight_bits))
        integers = quantise_to(weight, scale, weight_bits)
    for _ in range(64):
        offset = np.rint(layer.bias / scale[0])
        rise, fall = (_sums(rows.synapses(integers), rows.exponents, neurons, sign) * most for sign in (1, -1))
        reach = np.maximum(rise + np.maximum(offset, 0), fall - np.minimum(offset, 0))
        if float(reach.max()) <= half:
            break
        # Coarser, until a step's contributions fit; the report shows what it costs.
        scale = scale * max(1.05, float(reach.max()) / half)
        integers = quantise_to(weight, scale, weight_bits)
    return Quantised(rows.synapses(integers), rows.exponents, _whole(offset), None, scale, most)


def _error(weight: Floats, scale: float, bits: int) -> float:
    return float(np.square(quantise_to(weight, np.full(weight.shape[1], scale), bits) * scale - weight).sum())


def make_network(conventional: Conventional, quantised: Sequence[Quantised], bounds: Sequence[float], bits: tuple[int, int, int, int],
                 info: dict[str, Any]) -> Network:
    """The network with membranes as wide as headroom allows. ``bits`` are those of state, weight, input and spike; ``info`` is added."""
    state_bits, weight_bits, input_bits, spike_bits = bits
    units, high = Units.of(spike_bits, input_bits), (1 << state_bits - 1) - 1
    source = Population("input", conventional.shape, "input",
                        {"theta": units.theta, "v_init": units.theta // 2, "v_min": 0, "v_max": units.top}, _SEMANTICS)
    populations, projections = [source], []
    for layer, integers, sources in zip(conventional.layers, quantised, conventional.sources(), strict=True):
        theta = integers.theta
        most = 1 if theta is None else int(theta.max())
        rise, fall = integers.reach
        # One pair of bounds for the population, so that its neurons share a parameter row. Where the widest is
        # narrower than a threshold the proof of headroom shall fail and say so.
        parameters: dict[str, int | Ints] = {
            "bias": _per_channel(integers.bias, layer.shape[2]), "v_max": max(high - rise, most), "v_min": min(fall - high - 1, -most)}
        if theta is not None:
            parameters |= {"theta": theta, "v_init": theta // 2}
        populations.append(Population(layer.name, layer.shape, "li" if theta is None else "if",
                                      parameters, _SEMANTICS))
        projections += [_projection(part, exponent, populations[place + 1].name, layer.name)
                        for part, exponent, place in zip(integers.synapses, integers.exponents, sources, strict=True)]
    record = {
        "source": conventional.source, **info,
        "layers": [{"name": layer.name, "bound": bound, "scales": [float(s) for s in integers.scale]}
                   for layer, integers, bound in zip(conventional.layers, quantised, [*bounds, 1.0], strict=True)],
        "readout_scale": float(quantised[-1].scale[0]), "semantics": _SEMANTICS.to_json(),
    }
    return Network(tuple(populations), tuple(projections), state_bits, weight_bits, input_bits, spike_bits=spike_bits, info=record)


def _per_channel(values: Ints, channels: int) -> Ints:
    """``values`` of the neurons, one for each channel where all pixels have the same."""
    pixels = values.reshape(-1, channels)
    return pixels[0] if np.all(pixels == pixels[0]) else values


def _projection(part: Synapses, exponent: int, source: str, destination: str) -> Projection:
    if part.is_dense:
        return Projection.dense(source, destination, part.weight[0, 0], exponent=exponent)
    return Projection.conv(source, destination, part.weight, stride=part.stride, padding=part.padding, dilation=part.dilation,
                           groups=part.groups, exponent=exponent)
