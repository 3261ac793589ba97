"""How sure a share is that was counted in a few samples."""

from __future__ import annotations

import math

from .interval import Interval

__all__ = ["wilson"]

#: Standard normal quantile of 97.5 %.
_Z = 1.959963984540054


def wilson(right: int, samples: int) -> Interval:
    """The 95 % interval of a share of which ``right`` of ``samples`` were found: Wilson's score interval (1927)."""
    if not 0 <= right <= samples or not samples:
        raise ValueError(f"{right} of {samples}")
    share, square = right / samples, _Z * _Z
    centre = (share + square / (2 * samples)) / (1 + square / samples)
    half = _Z / (1 + square / samples) * math.sqrt(share * (1 - share) / samples + square / (4 * samples * samples))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(0.0 if right == 0 else low, 1.0 if right == samples else high)
