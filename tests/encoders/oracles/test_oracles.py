"""The encoders against snnTorch, tonic and Rockpool: 1,000 random inputs each, every outcome equal. See the scripts beside this file."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.encoders import audio, delta, events, latency
from tests.encoders.oracles.draws import CASES, Events, codes, loudness
from tests.encoders.oracles.draws import events as recordings

_STORED = Path(__file__).resolve().parents[2] / "cases" / "encoders"


def _stored(name: str) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(_STORED / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def test_latency_is_that_of_snntorch() -> None:
    stored = _stored("spikegen")["latency"]
    assert len(stored) == CASES
    for n, (case, expected) in enumerate(zip(codes(), stored, strict=True)):
        spikes = latency(case.values, case.steps, **case.latency)
        assert spikes.sum(axis=0).max() <= 1
        assert np.array_equal(np.where(spikes.any(axis=0), spikes.argmax(axis=0), 255), expected), f"case {n}: {case}"


def test_delta_is_that_of_snntorch() -> None:
    stored = _stored("spikegen")["delta"]
    assert len(stored) == CASES and np.abs(stored).sum() > CASES
    for n, (case, expected) in enumerate(zip(codes(), stored, strict=True)):
        assert np.array_equal(delta(case.signal, **case.delta), expected), f"case {n}: {case}"


def _sum(columns: list[np.ndarray[Any, Any]]) -> int:
    return zlib.crc32(b"".join(np.asarray(column, "<i8").tobytes() for column in columns))


def _events(recording: events.Recording) -> int:
    return _sum([recording.events[name] for name in "txyp"])


_TRANSFORMS = {
    "denoise": lambda r, c: _events(events.denoise(r, c.filter_time)),
    "downsample": lambda r, c: _events(events.downsample(r, time_factor=c.time_factor, spatial_factor=c.spatial_factor)),
    "merge_polarities": lambda r, c: _events(events.merge_polarities(r)),
    "to_frame": lambda r, c: (lambda frames: _sum([np.array(frames.shape), frames]))(events.to_frame(r, **c.to_frame)),
}


@pytest.mark.parametrize("transform", _TRANSFORMS)
def test_events_are_those_of_tonic(transform: str) -> None:
    stored = _stored("tonic")["sums"]
    assert len(stored) == CASES
    column = list(_TRANSFORMS).index(transform)
    for n, (case, expected) in enumerate(zip(recordings(), stored, strict=True)):
        assert isinstance(case, Events)
        recording = events.make_events(**case.columns, sensor_size=case.sensor_size)
        assert _TRANSFORMS[transform](recording, case) == expected[column], f"case {n}: {case}"


def test_normalisation_is_that_of_rockpool() -> None:
    stored = _stored("rockpool")["sums"]
    assert len(stored) == CASES
    spikes = 0
    for n, ((signal, options), expected) in enumerate(zip(loudness(), stored, strict=True)):
        found = audio.divisive_normalisation(signal, **options)
        spikes += int(found.sum())
        assert zlib.crc32(found.astype(np.uint8).tobytes()) == expected, f"case {n}: {options}"
    assert spikes > 10 * CASES
