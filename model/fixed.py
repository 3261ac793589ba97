"""Fixed-point arithmetic of one neuron: one named function for each rule of the number format.

Every function works on Python integers and, element by element, on numpy integer arrays (``decay`` needs
int64 arrays: the product is up to 48 bits wide). `rtl/fixed.py` mirrors each by name; nothing else in the
project may round, clamp or reset.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["NO_LEAK", "DECAY_SHIFT", "ROUNDING", "clamp", "decay", "reset", "rounded", "saturated", "spike_count"]

#: A decay factor of 2**16 keeps the membrane as it is.
NO_LEAK = 65536
#: Decay factors have 16 fractional bits.
DECAY_SHIFT = 16
#: The constant added before the shift: ``nearest`` rounds halves towards zero, ``zero`` truncates.
ROUNDING = {"nearest": 32767, "zero": 0}

Int = TypeVar("Int", int, npt.NDArray[np.int64])


def decay(x: Int, k: Int, rounding: str = "nearest") -> Int:
    """Scale ``x`` by ``k / 65536``: ``sign(x) * ((|x| * k + r) >> 16)``.

    ``k`` is 0 to 65536 (65536: no leak). Rounding acts on the magnitude, so the result is odd in ``x``
    and never larger than ``x``: a membrane cannot be pushed over a bound by rounding.
    """
    magnitude = (abs(x) * k + ROUNDING[rounding]) >> DECAY_SHIFT
    if isinstance(magnitude, int):
        return -magnitude if x < 0 else magnitude
    return np.where(x < 0, -magnitude, magnitude)


def spike_count(u: Int, theta: Int, strict: bool, spike_bits: int = 1) -> Int:
    """Spikes that a membrane ``u`` gives: ``min(max(floor((u - strict) / theta), 0), 2**spike_bits - 1)``.

    ``strict`` asks for ``u > theta`` where it would otherwise be ``u >= theta``. ``theta`` is at least 1.
    """
    most, less = (1 << spike_bits) - 1, int(strict)
    if isinstance(u, int):
        return min(max((u - less) // theta, 0), most)
    # Never below 0, so that the least word of a type does not wrap.
    count: Int = np.minimum((np.maximum(u, less) - less) // theta, most)
    return count


def reset(u: Int, count: Int, theta: Int, v_reset: Int, kind: str) -> Int:
    """Membrane after ``count`` spikes, by whichever moment it acts.

    ``kind`` is ``none`` (unchanged), ``subtract`` (minus ``theta * count``) or ``value`` (``v_reset`` where
    there was a spike).
    """
    if kind == "none":
        return u
    if kind == "subtract":
        return u - theta * count
    if kind != "value":
        raise ValueError(f"unknown reset {kind!r}")
    if isinstance(u, int):
        return v_reset if count else u
    return np.where(count != 0, v_reset, u)


def rounded(x: Int, shift: int) -> Int:
    """``x / 2**shift``, to the nearest integer, halves up: ``(x + 2**(shift - 1)) >> shift``; ``x`` itself for a shift of 0."""
    return (x + (1 << shift - 1)) >> shift if shift else x


def saturated(x: Int, bits: int) -> Int:
    """``x`` held within a signed word of so many bits."""
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1
    if isinstance(x, int):
        return clamp(x, least, most)
    return np.minimum(np.maximum(x, least), most)


def clamp(x: Int, low: Int, high: Int) -> Int:
    """``x`` held within ``low`` to ``high``, both included."""
    if isinstance(x, int):
        return min(max(x, low), high)
    return np.minimum(np.maximum(x, low), high)
