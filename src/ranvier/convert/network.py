"""Layers to integers, and the network that they make.

With lambda the bound of a layer (1 for the input), s the scale of a channel and W, b the layer's weights and bias:

    w = round(W * lambda_before / s)     theta = lambda / s, whole     bias = round(b / s)     v_init = theta // 2

The readout does not spike: after T steps its membranes are T / s times the logits, with one s for all outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..frontends.conventional import Conventional, DenseLayer
from ..model.limits import Ints
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.network.semantics import Semantics
from .quantise import Floats, quantise_channels, quantise_thresholds, quantise_to

__all__ = ["Quantised", "Quantiser", "make_network", "quantise_readout"]

#: Half of the state word is kept for what arrives in one tick, half for the membrane; and the membrane shall have
#: room for this many thresholds on either side of 0.
_THRESHOLDS = 4
#: Share by which rounding a threshold may change what a file's own integers mean.
_THETA_ERROR = 0.01
_SEMANTICS = Semantics(strict=False, reset="subtract")


@dataclass(frozen=True, eq=False)
class Quantised:
    """Integers of a layer; ``theta`` is None in the readout, whose ``scale`` is then the same for all."""

    weight: Ints
    bias: Ints
    theta: Ints | None
    scale: Floats

    @property
    def reach(self) -> tuple[int, int]:
        """The most that a step can add to a membrane of the layer, and take from it."""
        rise = np.maximum(self.weight, 0).sum(axis=0) + np.maximum(self.bias, 0)
        fall = np.maximum(-self.weight, 0).sum(axis=0) - np.minimum(self.bias, 0)
        return int(rise.max()), int(fall.max())


@dataclass
class Quantiser:
    """Quantises the layers of one network; what it has found once it gives again, since the search takes most of the time."""

    conventional: Conventional
    found: dict[tuple[int, float, float | None, int, int], Quantised] = field(default_factory=dict)

    def layers(self, bounds: Sequence[float], weight_bits: int, state_bits: int,
               advance: Callable[[], None] = lambda: None) -> list[Quantised]:
        """Every layer, the readout last; ``bounds`` are the lambdas of the hidden ones."""
        result = []
        for index, (layer, before, bound) in enumerate(zip(self.conventional.layers, [1.0, *bounds], [*bounds, None], strict=True)):
            key = (index, before, bound, weight_bits, state_bits)
            if key not in self.found:
                self.found[key] = (_hidden(layer, before, bound, weight_bits, state_bits) if bound is not None
                                   else quantise_readout(layer, before, weight_bits, state_bits))
            result.append(self.found[key])
            advance()
        return result


    def missing(self, bounds: Sequence[float], weight_bits: int, state_bits: int) -> int:
        """Weights that would have to be quantised for these bounds and bits."""
        return sum(layer.weight.size for index, (layer, before, bound) in enumerate(zip(
            self.conventional.layers, [1.0, *bounds], [*bounds, None], strict=True))
            if (index, before, bound, weight_bits, state_bits) not in self.found)


def _half(state_bits: int) -> int:
    return (1 << state_bits - 2) - 1


def _hidden(layer: DenseLayer, before: float, bound: float, weight_bits: int, state_bits: int) -> Quantised:
    half = _half(state_bits)
    weight, bias, theta, scale = quantise_thresholds(
        layer.weight * before, layer.bias, bound, weight_bits, most_theta=half // _THRESHOLDS, most_input=half)
    kept = _kept(layer, weight_bits)
    if kept is not None:
        # The file's integers, channel by channel, where their threshold fits; only that is rounded then.
        integers, grid = kept
        whole = np.clip(np.rint(bound / (grid * before)), 1, half // _THRESHOLDS)
        offset = np.rint(layer.bias / (bound / whole))
        reach = np.maximum(np.maximum(integers, 0).sum(axis=0) + np.maximum(offset, 0),
                           np.maximum(-integers, 0).sum(axis=0) - np.minimum(offset, 0))
        good = (np.abs(whole * grid * before / bound - 1) < _THETA_ERROR) & (reach <= half)
        weight = np.where(good, integers, weight)
        theta, bias = np.where(good, whole, theta).astype(np.int64), np.where(good, offset, bias).astype(np.int64)
        scale = np.where(good, bound / whole, scale)
    return Quantised(weight, bias, theta, scale)


def _kept(layer: DenseLayer, weight_bits: int) -> tuple[Ints, Floats] | None:
    """The integers that the file holds, if they fit."""
    if layer.quantised is None:
        return None
    most = 1 << weight_bits - 1
    integers = layer.quantised[0]
    return layer.quantised if int(integers.min()) >= -most and int(integers.max()) < most else None


def quantise_readout(layer: DenseLayer, before: float, weight_bits: int, state_bits: int, coarsest: float = 0.0) -> Quantised:
    """The last layer, its scale not below ``coarsest``: a coarser scale makes smaller membranes."""
    half = _half(state_bits)
    weight = layer.weight * before
    # The bias has no part in the search: it can be as wide as the state word, and rounding it costs half a unit.
    kept = _kept(layer, weight_bits)
    if kept is not None and np.all(kept[1] == kept[1][0]):
        integers, scale = kept[0], kept[1] * before
    else:
        integers, scale = quantise_channels(weight, weight_bits, common=True)
    if scale[0] < coarsest:
        scale = scale / scale[0] * min(coarsest * np.geomspace(1, 1.25, 12), key=lambda s: _error(weight, float(s), weight_bits))
        integers = quantise_to(weight, scale, weight_bits)
    for _ in range(64):
        offset = np.rint(layer.bias / scale)
        reach = np.maximum(np.maximum(integers, 0).sum(axis=0) + np.maximum(offset, 0),
                           np.maximum(-integers, 0).sum(axis=0) - np.minimum(offset, 0))
        if float(reach.max()) <= half:
            break
        # Coarser, until a step's contributions fit; the report shows what it costs.
        scale = scale * max(1.05, float(reach.max()) / half)
        integers = quantise_to(weight, scale, weight_bits)
    return Quantised(integers, np.clip(offset, -(1 << 31), (1 << 31) - 1).astype(np.int64), None, scale)


def _error(weight: Floats, scale: float, bits: int) -> float:
    return float(np.square(quantise_to(weight, np.full(weight.shape[1], scale), bits) * scale - weight).sum())


def make_network(conventional: Conventional, quantised: Sequence[Quantised], bounds: Sequence[float], bits: tuple[int, int, int],
                 info: dict[str, Any]) -> Network:
    """The network with membranes as wide as headroom allows. ``bits`` are those of state, weight and input; ``info`` is added to."""
    state_bits, weight_bits, input_bits = bits
    top, high = (1 << input_bits) - 1, (1 << state_bits - 1) - 1
    source = Population("input", (1, 1, conventional.input_size), "input",
                        {"theta": top, "v_init": top // 2, "v_min": 0, "v_max": top}, _SEMANTICS)
    populations, projections = [source], []
    for layer, integers in zip(conventional.layers, quantised, strict=True):
        theta = integers.theta
        most = 1 if theta is None else int(theta.max())
        rise, fall = integers.reach
        # One pair of bounds for the population, so that its neurons share a parameter row. Where the widest is
        # narrower than a threshold the proof of headroom shall fail and say so.
        parameters: dict[str, int | Ints] = {
            "bias": integers.bias, "v_max": max(high - rise, most), "v_min": min(fall - high - 1, -most)}
        if theta is not None:
            parameters |= {"theta": theta, "v_init": theta // 2}
        populations.append(Population(layer.name, (1, 1, layer.bias.size), "li" if theta is None else "if",
                                      parameters, _SEMANTICS))
        projections.append(Projection.dense(populations[-2].name, layer.name, integers.weight))
    record = {
        "source": conventional.source, **info,
        "layers": [{"name": layer.name, "bound": bound, "scales": [float(s) for s in integers.scale]}
                   for layer, integers, bound in zip(conventional.layers, quantised, [*bounds, 1.0], strict=True)],
        "readout_scale": float(quantised[-1].scale[0]), "semantics": _SEMANTICS.to_json(),
    }
    return Network(tuple(populations), tuple(projections), state_bits, weight_bits, input_bits, info=record)
