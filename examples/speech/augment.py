"""Recordings made different for training: another tempo, vocal tract, microphone, room. Works on energies, in real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["augmented", "resampled"]

Energies = npt.NDArray[np.float32]


def resampled(clip: npt.NDArray[Any], factor: float) -> npt.NDArray[np.int64]:
    """A clip played ``factor`` times as fast: tempo and formants move together."""
    places = np.arange(int(len(clip) / factor)) * factor
    return np.rint(np.interp(places, np.arange(len(clip)), clip)).astype(np.int64)


def augmented(energy: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Energies [clips, steps, channels], each clip changed by chance.

    Tempo 0.8 to 1.25 and 0 to 5 steps later; channels shifted by up to 1; a smooth colour of about 6 dB an octave of the cosine; and in
    three of five clips noise 18 to 66 dB below the peak.
    """
    found = np.asarray(energy, np.float32)
    clips, steps, channels = found.shape
    rows = np.arange(clips)[:, None]
    time = (np.arange(steps) - rng.integers(0, 6, clips)[:, None]) * rng.uniform(0.8, 1.25, clips)[:, None]
    inside = (time >= 0) & (time < steps - 1)
    found = _between(found, np.clip(time, 0, steps - 1.001), rows) * inside[..., None]
    place = np.clip(np.arange(channels) + rng.uniform(-1, 1, clips)[:, None], 0, channels - 1.001)
    found = _between(found.transpose(0, 2, 1), place, rows).transpose(0, 2, 1)
    waves = np.cos(np.pi * np.arange(1, 6)[:, None] * (np.arange(channels) + 0.5) / channels)
    colour = rng.normal(0, (1.0, 0.7, 0.5, 0.4, 0.3), (clips, 5)) @ waves
    found = found * np.exp2(colour)[:, None].astype(np.float32)
    noise = found.sum(axis=2).max(axis=1) / channels * np.exp2(-rng.uniform(3, 11, clips)) * (rng.random(clips) < 0.6)
    found = found + noise[:, None, None] * rng.uniform(0.6, 1.4, found.shape)
    return np.rint(found).astype(np.int64)


def _between(values: Energies, places: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]) -> Energies:
    """Values [clips, axis, others] at places [clips, axis] between its entries, on straight lines."""
    below = places.astype(np.int64)
    part = (places - below)[..., None].astype(np.float32)
    return values[rows, below] * (1 - part) + values[rows, below + 1] * part
