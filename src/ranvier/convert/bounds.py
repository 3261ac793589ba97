"""The bound of each hidden layer: the activation that one spike in every step stands for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..frontends.conventional import Clip, Conventional, Floats
from ..model.errors import RanvierError

__all__ = ["hidden_bounds", "needs_samples", "silent_layers"]

#: An activation up to this is none.
_NOTHING = 1e-15


def needs_samples(conventional: Conventional) -> bool:
    """Whether a hidden layer has a Relu, whose bound only samples can tell."""
    return any(not isinstance(layer.activation, Clip) for layer in conventional.layers[:-1])


def hidden_bounds(conventional: Conventional, reached: Sequence[Floats] | None, percentile: float) -> list[float]:
    """Lambda of each hidden layer: the Clip's, or the percentile of the activations of calibration samples that are not 0.

    Those that are 0 have no part in it. In a layer that is silent in nearly all samples they would hide what it is there for:
    the percentile of all its activations is 0, however large the rare ones are.

    ``reached`` is what enters each layer's activation, (n, neurons), or None without samples. Raises `RanvierError` where a
    Relu has no samples.
    """
    bounds = []
    for index, layer in enumerate(conventional.layers[:-1]):
        if isinstance(layer.activation, Clip):
            bounds.append(layer.activation.upper)
            continue
        if reached is None:
            raise RanvierError(f"layer {layer.name}: a Relu has no upper bound; give samples with calibration=, or train with Clip")
        active = reached[index][reached[index] > _NOTHING]
        # A layer that calibration leaves silent spikes never, whatever its threshold.
        bounds.append(float(np.percentile(active, percentile)) if active.size else 1.0)
    return bounds


def silent_layers(conventional: Conventional, reached: Sequence[Floats]) -> list[str]:
    """Names of the hidden layers that no sample activates."""
    return [layer.name for layer, values in zip(conventional.layers[:-1], reached, strict=False) if not np.any(values > _NOTHING)]
