"""How the meaning of a sample's values goes into the first layer of the conventional network.

An input neuron takes a whole number q of 0 to top, and spikes at a rate in proportion to q / top. The conventional network takes
x = (low + (high - low) * q / top - mean) / std. Both differ by an affine map, which the weights and the bias of the first
layer take up exactly; so negative inputs need nothing of the fabric.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..files.input_mapping import InputMapping
from ..frontends.conventional import Conventional, DenseLayer, Floats, Layer

__all__ = ["fold_inputs"]


def fold_inputs(mapping: InputMapping, conventional: Conventional) -> Conventional:
    """The same network for inputs of 0 to 1: the rates of the input neurons, in their order."""
    if mapping.plain:
        return conventional
    slope, offset = (mapping.ordered(values) for values in mapping.affine(conventional.input_size))
    found = []
    for layer, sources in zip(conventional.layers, conventional.sources(), strict=True):
        changed = -1 in sources and bool(np.any(slope != 1) or np.any(offset))
        found.append(_folded(layer, sources, slope, offset) if changed else layer)
    return replace(conventional, layers=tuple(found), channels_first=False)


def _folded(layer: Layer, sources: list[int], slope: Floats, offset: Floats) -> Layer:
    """A layer whose synapses from the input take rates."""
    if isinstance(layer, DenseLayer):
        kept = None
        if layer.quantised is not None and np.all(slope == slope[0]):
            kept = layer.quantised[0], layer.quantised[1] * slope[0]
        return replace(layer, weight=layer.weight * slope[:, None], bias=layer.bias + offset @ layer.weight, quantised=kept)
    synapses, bias = [], layer.bias
    for part, source in zip(layer.synapses, sources, strict=True):
        synapses.append(part.scaled(slope) if source == -1 else part)
        if source == -1:
            bias = bias + part.apply(offset[None])[0]
    return replace(layer, synapses=tuple(synapses), bias=bias)
