"""A bank of band-pass filters in integers: what an ear's places or a chip's front end hear.

Each is a Butterworth section of second order by the bilinear transform. With x the sample, y the filter's word of `GUARD_BITS` more
fractional bits, and b, c, d whole numbers of 2**-`COEFFICIENT_BITS`:

    y[n]   = (b * (x[n] - x[n-2]) << GUARD_BITS) + c * y[n-1] - d * y[n-2],   then rounded: (. + 2**15) >> 16
    out[n] = sign(y[n]) * (|y[n]| >> GUARD_BITS)

The coefficients are constants, so each product is a sum of shifted words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError

__all__ = ["COEFFICIENT_BITS", "GUARD_BITS", "FilterBank", "filter_bank"]

Ints = npt.NDArray[np.int64]

#: Fractional bits of a coefficient.
COEFFICIENT_BITS = 16
#: Fractional bits of a filter's word: what a filter may keep humming after a sound stays below one of them at the output.
GUARD_BITS = 10


@dataclass(frozen=True)
class FilterBank:
    """Coefficients of every channel, int64 (channels,), and what they were made for, in hertz."""

    b: Ints
    c: Ints
    d: Ints
    centres: npt.NDArray[np.float64]
    rate: float

    @property
    def channels(self) -> int:
        """Number of filters."""
        return len(self.b)

    def run(self, samples: npt.ArrayLike) -> Ints:
        """Samples [time, ...], whole numbers of at most 16 bits with sign, through every filter from rest: [time, ..., channels], int64.

        Further axes are sounds of their own, such as [time, clips].
        """
        x = _samples(samples)
        before = np.zeros_like(x)
        before[2:] = x[:-2]
        driven = np.multiply.outer(x - before, self.b) << GUARD_BITS
        half = 1 << COEFFICIENT_BITS - 1
        y1, y2 = np.zeros(driven.shape[1:], np.int64), np.zeros(driven.shape[1:], np.int64)
        words = np.empty(driven.shape, np.int64)
        for n, drive in enumerate(driven):
            y1, y2 = (drive + self.c * y1 - self.d * y2 + half) >> COEFFICIENT_BITS, y1
            words[n] = y1
        return np.asarray(np.sign(words) * (np.abs(words) >> GUARD_BITS), np.int64)


def filter_bank(rate: float = 15625, channels: int = 16, *, low: float = 100.0, high: float = 6000.0) -> FilterBank:
    """Filters of a sampling ``rate`` with centres in equal ratios from ``low`` to ``high`` hertz, which touch where they have lost 3 dB.

    Raises `RanvierError` where ``high`` is too near to half of the rate, or ``low`` so low that the coefficients would misplace it.
    """
    if not 2 <= channels <= 256:
        raise RanvierError(f"filter bank: {channels} channels; it must be 2 to 256")
    if not rate / 1000 <= low < high:
        raise RanvierError(f"filter bank: {low:g} to {high:g} Hz at {rate:g} samples a second; low must be at least {rate / 1000:g} and "
                           "below high")
    centres = low * (high / low) ** (np.arange(channels) / (channels - 1))
    ratio = (high / low) ** (0.5 / (channels - 1))
    if high * ratio >= rate * 0.49:
        raise RanvierError(f"filter bank: {high:g} Hz at {rate:g} samples a second; high must be below {rate * 0.49 / ratio:.0f}")
    tangent, quality = np.tan(np.pi * centres / rate), 1 / (ratio - 1 / ratio)
    norm = 1 + tangent / quality + tangent**2
    one = 1 << COEFFICIENT_BITS
    b, c, d = (np.rint(one * value / norm).astype(np.int64)
               for value in (tangent / quality, 2 * (1 - tangent**2), 1 - tangent / quality + tangent**2))
    return FilterBank(b, c, d, centres, rate)


def _samples(samples: npt.ArrayLike) -> Ints:
    array = np.asarray(samples)
    if array.ndim == 0 or array.dtype.kind not in "iu":
        raise RanvierError(f"filter bank: samples of the shape {array.shape} and type {array.dtype}; give whole numbers [time, ...]")
    if array.size and not -32768 <= int(array.min()) <= int(array.max()) <= 32767:
        raise RanvierError("filter bank: samples of more than 16 bits; shift them down first")
    return array.astype(np.int64)
