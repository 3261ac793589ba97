"""Wav files as what the front end takes: one channel of 16 bits at one rate. Whatever had to be done to a sound is said."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ...files.safe import plain, read_bounded, shown
from ...model.errors import RanvierError
from .front_end import RATE

__all__ = ["Sound", "load_wav"]

# Anything else is no sampling rate of a sound, and would make resampling endless.
_RATES = (1000, 1_000_000)


@dataclass(frozen=True)
class Sound:
    """``samples`` int16 [time], ``rate`` of them a second; ``notes`` says what was done to them, a line each."""

    samples: npt.NDArray[np.int16]
    rate: int
    notes: tuple[str, ...]


def load_wav(path: str | os.PathLike[str], rate: int = RATE) -> Sound:
    """A wav file of any rate, width (8, 16, 24, 32 bits, floats) and number of channels, at ``rate`` samples a second.

    Several channels are mixed down to their mean, another rate is resampled (a polyphase filter), and each is told in ``notes``, as is
    silence. Needs scipy, the extra ``audio``. Raises `RanvierError` for a file that is no wav, is cut short, or holds no samples or
    something else than numbers.
    """
    if not _RATES[0] <= rate <= _RATES[1]:
        raise RanvierError(f"wav: a rate of {rate}; it must be {_RATES[0]} to {_RATES[1]} samples a second")
    name = shown(path)
    found, data = _read(path, name)
    if not _RATES[0] <= found <= _RATES[1]:
        raise RanvierError(f"{name}: {found} samples a second; write the file again, its header is damaged")
    if data.size == 0:
        raise RanvierError(f"{name}: it holds no samples; record it again")
    values = _unit(data, name)
    notes = []
    if values.ndim == 2:
        if values.shape[1] > 1:
            notes.append(f"{values.shape[1]} channels are mixed down to their mean")
        values = values.mean(axis=1)
    if found != rate:
        from scipy.signal import resample_poly
        notes.append(f"{found} samples a second are resampled to {rate}")
        ratio = Fraction(rate, found)
        values = np.asarray(resample_poly(values, ratio.numerator, ratio.denominator))
    samples = np.clip(np.rint(values * 32768), -32768, 32767).astype(np.int16)
    if not samples.any():
        notes.append("silence: every sample is 0")
    return Sound(samples, rate, tuple(notes))


def _read(path: str | os.PathLike[str], name: str) -> tuple[int, npt.NDArray[Any]]:
    try:
        from scipy.io import wavfile
    except ImportError:
        raise RanvierError("wav: reading sounds needs scipy; pip install 'ranvier[audio]'") from None
    content = read_bounded(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)    # of chunks that hold no sound
            warnings.filterwarnings("error", "Reached EOF prematurely", wavfile.WavFileWarning)
            rate, data = wavfile.read(io.BytesIO(content))
    except wavfile.WavFileWarning:
        raise RanvierError(f"{name}: the file is cut short; copy or record it again") from None
    except Exception as error:    # scipy raises what the bytes made it stumble over
        if content[:4] not in (b"RIFF", b"RIFX", b"RF64"):
            raise RanvierError(f"{name}: it is no wav file; give one, or convert it to wav first") from None
        raise RanvierError(f"{name}: it cannot be read, it is cut short or damaged ({plain(error)}); write it again as PCM") from None
    return int(rate), data


def _unit(data: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    """Samples as -1 to 1; bytes have their zero at 128, and 24 bits come in the upper bits of 32."""
    values = data.astype(np.float64)
    if data.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise RanvierError(f"{name}: NaN or infinity among the samples; write it again")
        return values
    if data.dtype.kind == "u":
        values -= 1 << 8 * data.dtype.itemsize - 1
    return values / (1 << 8 * data.dtype.itemsize - 1)
