"""Sound to spikes, in integers: filter bank, loudness of a frame, logarithm, level and colour taken away, thermometer.

A step is a frame of 25 ms. Nothing looks ahead: the spikes of a step follow from the samples up to its end, so the network can answer
while a word is still being spoken. For each frame, with `CHANNELS` channels c:

    E[c] = sum of |filter c| over the frame
    L[c] = log2(E[c] + 1) in eighths of an octave: the exponent and three bits of the mantissa
    level = mean of L over c;   peak = max(peak, level), not below `QUIET`
    heard = level > peak - `SPAN` and level > `FLOOR`
    M[c] = M[c] + ((256 * (L[c] - level) - M[c]) >> `SHIFT`)     where heard; begins at `COLOUR`, the mean of speech
    x[c] = L[c] - peak - (M[c] >> 8)
    spike of neuron (c, n) where heard and x[c] >= LEVELS[n]

Taking the peak away makes the gain of a microphone drop out; M takes away its colour, and some of the speaker's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import RanvierError
from ranvier.encoders.audio import FilterBank, filter_bank

__all__ = ["CHANNELS", "FRAME", "NEURONS", "RATE", "STEPS", "encode", "energies", "spikes_of"]

Ints = npt.NDArray[np.int64]

#: Samples a second, samples of a step (25 ms), and steps of a window: 0.9 s, what is longer is cut.
RATE, FRAME, STEPS = 8000, 200, 36
CHANNELS = 24
#: Eighths of an octave of amplitude: 8 are 6 dB.
QUIET, FLOOR, SPAN = 40, 24, 40
SHIFT = 3
LEVELS = (-24, -11, -4, 3)
NEURONS = CHANNELS * len(LEVELS)
#: Mean of L - level over the heard frames of the recordings, rounded.
COLOUR = (3, 4, 5, 7, 7, 8, 9, 9, 10, 9, 6, 3, 1, -1, -3, -4, -4, -4, -4, -6, -7, -8, -13, -18)
#: Clips that go through the filters at once.
_BATCH = 64


def bank() -> FilterBank:
    """24 channels from 150 Hz to 3.5 kHz in equal ratios."""
    return filter_bank(RATE, CHANNELS, low=150, high=3500)


def energies(clips: Sequence[npt.NDArray[Any]], steps: int = STEPS) -> Ints:
    """E of every clip, int64 [clips, steps, channels]; clips are whole numbers of 16 bits [time], what is missing is silence.

    Raises `RanvierError` for no clips, and for what the filter bank refuses.
    """
    if not len(clips):
        raise RanvierError("front end: there are no clips; give at least one")
    filters, found = bank(), np.zeros((len(clips), steps, CHANNELS), np.int64)
    order = np.argsort([len(clip) for clip in clips], kind="stable")
    for first in range(0, len(order), _BATCH):
        rows = order[first:first + _BATCH]
        frames = min(-(-max(len(clips[n]) for n in rows) // FRAME), steps)
        samples = np.zeros((frames * FRAME, len(rows)), np.int64)
        for column, n in enumerate(rows):
            clip = np.asarray(clips[n])[:len(samples)]
            samples[:len(clip), column] = clip
        loudness = np.abs(filters.run(samples)).reshape(frames, FRAME, len(rows), CHANNELS).sum(axis=1)
        found[rows, :frames] = loudness.transpose(1, 0, 2)
    return found


def logarithms(energy: Ints) -> Ints:
    """L: eighths of an octave, rounded down within straight pieces from one power of two to the next."""
    value = np.asarray(energy, np.int64) + 1
    exponent = np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1    # the place of the highest bit: exact below 2**53
    return 8 * exponent + ((value << 3) >> exponent) - 8


def normalised(energy: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """x of every frame, [clips, steps, channels], and which frames are heard, [clips, steps]."""
    logs = logarithms(energy)
    level = logs.sum(axis=2) // CHANNELS
    peak = np.maximum(np.maximum.accumulate(level, axis=1), QUIET)
    heard = (level > peak - SPAN) & (level > FLOOR)
    colour = np.broadcast_to(256 * np.array(COLOUR, np.int64), (len(logs), CHANNELS))
    found = np.empty_like(logs)
    for step in range(logs.shape[1]):
        moved = colour + ((256 * (logs[:, step] - level[:, step, None]) - colour) >> SHIFT)
        colour = np.where(heard[:, step, None], moved, colour)
        found[:, step] = logs[:, step] - peak[:, step, None] - (colour >> 8)
    return found, heard


def spikes_of(energy: Ints) -> npt.NDArray[np.uint8]:
    """Energies [clips, steps, channels] to spikes [clips, steps, `NEURONS`], uint8 of 0 and 1; a channel's neurons are neighbours."""
    x, heard = normalised(energy)
    spikes = (x[..., None] >= np.array(LEVELS)) & heard[..., None, None]
    return spikes.reshape(*x.shape[:2], NEURONS).astype(np.uint8)


def encode(clips: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Clips, whole numbers of 16 bits [time] at `RATE`, to spikes [clips, `STEPS`, `NEURONS`], uint8 of 0 and 1."""
    return spikes_of(energies(clips))
