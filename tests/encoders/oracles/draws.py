"""Random inputs that are the same in every environment and for ever: they come from SHAKE-256, not from a library's generator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "Codes", "Events", "codes", "events", "loudness", "words"]

#: Random inputs for each oracle.
CASES = 1000


def words(name: str, count: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """So many words of 32 bits that belong to ``name``."""
    return np.frombuffer(hashlib.shake_256(name.encode()).digest(4 * count), "<u4").astype(np.uint32)


@dataclass(frozen=True)
class Codes:
    """Values of a case for `latency` and `delta`, and their options."""

    values: np.ndarray[Any, np.dtype[np.float32]]    # (8,), 0 to 1
    signal: np.ndarray[Any, np.dtype[np.float32]]    # (16, 2)
    latency: dict[str, Any]
    delta: dict[str, Any]
    steps: int


def codes() -> Iterator[Codes]:
    """The cases of snnTorch's encoders."""
    for case in range(CASES):
        w = words(f"codes {case}", 64).tolist()
        steps = 5 + w[0] % 40
        normalize = w[1] % 4 != 0
        values = (np.array(w[8:16]) % 4097 / np.float64(4096)).astype(np.float32)
        if not normalize:
            values = np.maximum(values, np.float32(0.25))    # so that spikes stay within the window
        latency = {"threshold": [0.01, 0.1, 0.2][w[2] % 3], "tau": 1 + w[3] % 5 / 2 if not normalize else 1.0,
                   "first_spike_time": w[4] % 3 if normalize else 0, "clip": bool(w[5] % 2), "normalize": normalize,
                   "linear": bool(w[6] % 2)}
        signal = (np.array(w[16:48]) % 4097 / np.float64(4096)).astype(np.float32).reshape(16, 2)
        delta = {"threshold": [0.1, 0.25, 0.5, 1.0][w[48] % 4], "padding": bool(w[49] % 2), "off_spike": bool(w[50] % 2)}
        yield Codes(values, signal, latency, delta, steps)


@dataclass(frozen=True)
class Events:
    """A recording of a case, as columns, and options for each transform."""

    columns: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    sensor_size: tuple[int, int, int]
    filter_time: int
    time_factor: float
    spatial_factor: float
    to_frame: dict[str, Any]


def events() -> Iterator[Events]:
    """The cases of tonic's transforms."""
    for case in range(CASES):
        w = words(f"events {case}", 200).tolist()
        count, width, height = 10 + w[0] % 30, 3 + w[1] % 10, 3 + w[2] % 10
        t = 1000 + np.cumsum(np.array(w[20:20 + count]) % 60)
        columns = {"t": t, "x": np.array(w[60:60 + count]) % width, "y": np.array(w[100:100 + count]) % height,
                   "p": np.array(w[140:140 + count]) % 2}
        incomplete = bool(w[3] % 2)
        frame = [{"time_window": 40 + w[4] % 200, "overlap": w[5] % 30, "include_incomplete": incomplete},
                 {"event_count": 3 + w[4] % 6, "overlap": w[5] % 3, "include_incomplete": incomplete},
                 {"n_time_bins": 1 + w[4] % 9}, {"n_event_bins": 1 + w[4] % 9}][case % 4]
        yield Events({name: column.astype(np.int64) for name, column in columns.items()}, (width, height, 2), 30 + w[6] % 300,
                     [1, 0.5, 0.25, 0.1][w[7] % 4], [1, 0.5, 0.25, 0.3][w[8] % 4], frame)


def loudness() -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], dict[str, int]]]:
    """The cases of the normalisation: signals [96, 4] of changing loudness, and options."""
    for case in range(CASES):
        w = words(f"loudness {case}", 400)
        b2 = int(w[390] % 4)
        options = {"b": int(w[391] % 8), "b1": b2 + 1 + int(w[392] % 3), "b2": b2, "eps": 1 + int(w[393] % 50)}
        signal = (w[:384].astype(np.int64) % 32768 - 16384).reshape(96, 4) >> (w[384:388] % 14).astype(np.int64)
        signal[int(w[388] % 96):] //= 1 + int(w[389] % 100)
        yield signal, options
