"""Surrogate gradients: what stands for the slope of a spike on the way back.

A surrogate takes x = (u - theta) / theta, the distance from the threshold in units of the threshold, and gives the slope there. So it is
that of a source whose threshold is 1. The way forward is never touched by it. Counts of several spikes use the nearest threshold.

`fast_sigmoid` and `atan` are those of snnTorch, with its names and defaults. `triangular` has snnTorch's name, but is the triangle of
Bellec et al., "Long short-term memory and learning-to-learn in networks of spiking neurons" (2018); that of snnTorch 1.0 is a constant
which changes its sign at the threshold. `boxcar` is in snnTorch under no name.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..model.errors import RanvierError

__all__ = ["SURROGATES", "Surrogate", "atan", "boxcar", "fast_sigmoid", "find_surrogate", "triangular"]

#: Distances from the threshold to slopes, element by element.
Surrogate = Callable[[Tensor], Tensor]


def fast_sigmoid(slope: float = 25.0) -> Surrogate:
    """``1 / (slope * |x| + 1)**2`` (Zenke and Ganguli, 2018)."""
    return lambda x: (slope * x.abs() + 1).pow(-2)


def atan(alpha: float = 2.0) -> Surrogate:
    """``alpha / 2 / (1 + (pi / 2 * alpha * x)**2)`` (Fang et al., 2021)."""
    return lambda x: alpha / 2 / (1 + (math.pi / 2 * alpha * x).square())


def triangular(width: float = 1.0) -> Surrogate:
    """``max(0, 1 - |x| / width) / width``."""
    return lambda x: torch.relu(1 - x.abs() / width) / width


def boxcar(width: float = 1.0) -> Surrogate:
    """``1 / width`` where ``|x| <= width / 2``, else 0."""
    return lambda x: (x.abs() <= width / 2).to(x.dtype) / width


#: Surrogates by name, with their defaults.
SURROGATES: dict[str, Callable[[], Surrogate]] = {
    "fast_sigmoid": fast_sigmoid, "atan": atan, "triangular": triangular, "boxcar": boxcar}


def find_surrogate(surrogate: str | Surrogate) -> Surrogate:
    """A surrogate by its name, or as it is; raises `RanvierError` for a name that there is not."""
    if not isinstance(surrogate, str):
        return surrogate
    if surrogate not in SURROGATES:
        raise RanvierError(f"surrogate is {surrogate!r}; it must be one of {', '.join(SURROGATES)}, or a function of a tensor")
    return SURROGATES[surrogate]()
