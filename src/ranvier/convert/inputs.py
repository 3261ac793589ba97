"""How the meaning of a sample's values goes into the first layer of the conventional network.

An input neuron takes a whole number q of 0 to top, and spikes at the rate q / top. The conventional network takes
x = (low + (high - low) * q / top - mean) / std. Both differ by an affine map, which the weights and the bias of the first
layer take up exactly; so negative inputs need nothing of the fabric.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..files.input_mapping import InputMapping
from ..frontends.conventional import Conventional

__all__ = ["fold_inputs"]


def fold_inputs(mapping: InputMapping, conventional: Conventional) -> Conventional:
    """The same network for inputs of 0 to 1: the rates of the input neurons."""
    if mapping.plain:
        return conventional
    slope, offset = mapping.affine(conventional.input_size)
    first = conventional.layers[0]
    kept = None
    if first.quantised is not None and np.all(slope == slope[0]):
        kept = first.quantised[0], first.quantised[1] * slope[0]
    layer = replace(first, weight=first.weight * slope[:, None], bias=first.bias + offset @ first.weight, quantised=kept)
    return replace(conventional, layers=(layer, *conventional.layers[1:]))
