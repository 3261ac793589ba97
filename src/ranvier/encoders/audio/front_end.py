"""Sound to counts of spikes: filter bank, rectifier, divisive normalisation, counts of a frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError
from .filter_bank import FilterBank, filter_bank
from .normalisation import divisive_normalisation

__all__ = ["FRAME", "RATE", "audio", "frame_counts"]

#: Samples a second that the front end is made for, and samples of a frame: 16 of them are 1.024 ms.
RATE = 15625
FRAME = 16


def audio(samples: npt.ArrayLike, *, bank: FilterBank | None = None, b: int = 12, b1: int = 5, b2: int = 4, eps: int = 4,
          frame: int = FRAME) -> npt.NDArray[np.uint16]:
    """Counts of spikes [frames, channels], uint16, of samples [time]: whole numbers of 16 bits, `RATE` of them a second.

    ``bank`` is `filter_bank`'s, 16 channels from 100 Hz to 6 kHz without one; ``b``, ``b1``, ``b2`` and ``eps`` are
    `divisive_normalisation`'s. With them a steady sound gives a spike a frame and channel in the mean. `load_wav` reads and resamples
    files. Raises `RanvierError` for samples of another kind and for less than a frame of them.
    """
    if np.ndim(samples) != 1:
        raise RanvierError(f"audio: samples of the shape {np.shape(samples)}; give samples [time], of one channel")
    return frame_counts(divisive_normalisation((bank or filter_bank(RATE)).run(samples), b=b, b1=b1, b2=b2, eps=eps), frame)


def frame_counts(spikes: npt.ArrayLike, frame: int = FRAME) -> npt.NDArray[np.uint16]:
    """Spikes of each ``frame`` samples, [time // frame, ...]; a last frame that is not full is left out."""
    array = np.asarray(spikes)
    if not 1 <= frame <= 65535:
        raise RanvierError(f"audio: a frame of {frame} samples; it must be 1 to 65535")
    if array.ndim == 0 or len(array) < frame:
        raise RanvierError(f"audio: {0 if array.ndim == 0 else len(array)} samples; a frame has {frame}")
    frames = len(array) // frame
    return np.asarray(array[:frames * frame].reshape(frames, frame, *array.shape[1:]).sum(axis=1), np.uint16)
