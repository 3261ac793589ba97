"""Divisive normalisation: a channel's spikes say how loud it is beside its own mean of late, and not how loud the sound is.

The rule of XyloAudio 3's front end as SynSense documents it, in integers and shifts, for each channel and sample x:

    M = H >> b                       the mean of |x| over about 2**b samples
    H = H - (H >> b) + |x|
    T = max(M, eps)
    T = (T << b1) - (T << b2)
    v = v + |x|;   s = v >= T;   v = v - s * T
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError

__all__ = ["divisive_normalisation"]


def divisive_normalisation(signal: npt.ArrayLike, *, b: int = 12, b1: int = 5, b2: int = 4, eps: int = 4) -> npt.NDArray[np.bool_]:
    """Spikes [time, ...], bool, of whole numbers [time, ...]; H and v begin at 0.

    At a steady loudness there is a spike in 2**b1 - 2**b2 samples (16 as given). ``eps`` is the least mean: what is fainter gives fewer
    spikes, and silence none. Raises `RanvierError` for values that are no whole numbers of 32 bits and shifts that give no threshold.
    """
    array = np.asarray(signal)
    if array.ndim == 0 or array.dtype.kind not in "iu":
        raise RanvierError(f"divisive normalisation: values of the shape {array.shape} and type {array.dtype}; give whole numbers")
    if not (0 <= b <= 24 and 0 <= b2 < b1 <= 24):
        raise RanvierError(f"divisive normalisation: b is {b}, b1 {b1} and b2 {b2}; they must be 0 to 24, and b2 below b1")
    if not 1 <= eps < 1 << 31:
        raise RanvierError(f"divisive normalisation: eps is {eps}; it must be at least 1")
    if array.size and max(abs(int(array.min())), abs(int(array.max()))) >= 1 << 31:
        raise RanvierError("divisive normalisation: values of more than 32 bits; shift them down first")
    loudness = np.abs(array.astype(np.int64))
    mean, v = np.zeros(array.shape[1:], np.int64), np.zeros(array.shape[1:], np.int64)
    spikes = np.zeros(array.shape, bool)
    for n, x in enumerate(loudness):
        threshold = np.maximum(mean >> b, eps)
        mean = mean - (mean >> b) + x
        threshold = (threshold << b1) - (threshold << b2)
        v = v + x
        spikes[n] = v >= threshold
        v = v - spikes[n] * threshold
    return spikes
