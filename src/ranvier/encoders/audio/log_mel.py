"""Log-mel spectrum: the energies that speech recognition begins with, as values in 0 to 1 for any encoder."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError
from ..values import finite_values

__all__ = ["log_mel", "mel_energies", "mel_filters"]

Values = npt.NDArray[np.float64]


def mel_filters(rate: float, window: int, mels: int, low: float, high: float) -> Values:
    """Triangles (mels, window // 2 + 1) of height 1, equally wide in mel = 2595 log10(1 + f / 700): HTK's, and librosa's with htk=True."""
    least, most = (2595 * math.log10(1 + end / 700) for end in (low, high))
    corners = 700 * (10 ** (np.linspace(least, most, mels + 2) / 2595) - 1)
    bins = np.arange(window // 2 + 1) * rate / window
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    return np.asarray(np.maximum(np.minimum(rising, falling), 0))


def mel_energies(samples: npt.ArrayLike, rate: float, *, mels: int = 40, window: int = 512, hop: int = 256, low: float = 20.0,
                 high: float | None = None) -> Values:
    """Energies [frames, mels] of samples [time]: Hann windows of ``window`` samples, a new one every ``hop``, only whole ones.

    ``high`` is half of ``rate`` without one. Raises `RanvierError` for options out of range and for less than a window of samples.
    """
    x = finite_values(samples, "log_mel").astype(np.float64)
    high = rate / 2 if high is None else high
    if x.ndim != 1:
        raise RanvierError(f"log_mel: samples of the shape {x.shape}; give samples [time], of one channel")
    if not (2 <= window <= 65536 and hop >= 1 and 1 <= mels <= 1024):
        raise RanvierError(f"log_mel: a window of {window}, a hop of {hop} and {mels} mels; they must be 2 to 65536, at least 1, 1 to 1024")
    if not 0 <= low < high <= rate / 2:
        raise RanvierError(f"log_mel: {low:g} to {high:g} Hz at {rate:g} samples a second; they must be 0 to {rate / 2:g}, the lower first")
    if len(x) < window:
        raise RanvierError(f"log_mel: {len(x)} samples; a window has {window}")
    frames = np.lib.stride_tricks.sliding_window_view(x, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    return np.asarray(power @ mel_filters(rate, window, mels, low, high).T)


def log_mel(samples: npt.ArrayLike, rate: float, *, mels: int = 40, window: int = 512, hop: int = 256, low: float = 20.0,
            high: float | None = None, range_db: float = 80.0) -> Values:
    """`mel_energies` in decibels below the loudest of them, as values in 0 to 1: 1 is the loudest, 0 is ``range_db`` below it or less.

    Silence is all 0.
    """
    if not 0 < range_db < float("inf"):
        raise RanvierError(f"log_mel: range_db is {range_db}; it must be above 0")
    energies = mel_energies(samples, rate, mels=mels, window=window, hop=hop, low=low, high=high)
    loudest = float(energies.max())
    if loudest == 0:
        return energies
    return np.clip(1 + 10 * np.log10(np.maximum(energies / loudest, 1e-30)) / range_db, 0, 1)
