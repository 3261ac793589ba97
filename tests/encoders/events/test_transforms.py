"""Transforms and frames by hand; `test_oracles.py` has 1,000 random recordings of tonic's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ranvier.encoders import events
from ranvier.model.errors import RanvierError


@pytest.fixture
def recording() -> events.Recording:
    return events.make_events([0, 4, 10, 19, 20, 31], [0, 1, 1, 4, 0, 1], [0, 0, 2, 2, 0, 0], [0, 1, 1, 0, 1, 0], sensor_size=(5, 3, 2))


def test_denoise_keeps_what_has_company(recording: events.Recording) -> None:
    # The event at 4 has the one at 0 beside it, and 31 that at 20; 20 has that of 4 beside it 16 before.
    assert events.denoise(recording, 12).events["t"].tolist() == [4, 31]
    assert events.denoise(recording, 17).events["t"].tolist() == [4, 20, 31]
    assert events.denoise(recording, 4).events["t"].tolist() == []


def test_downsample_keeps_every_event(recording: events.Recording) -> None:
    found = events.downsample(recording, time_factor=0.1, spatial_factor=(0.5, 1))
    assert found.sensor_size == (3, 3, 2)
    assert found.events["t"].tolist() == [0, 0, 1, 1, 2, 3] and found.events["x"].tolist() == [0, 0, 0, 2, 0, 0]
    assert recording.events["x"].max() == 4    # what went in stays as it was


def test_merge_polarities(recording: events.Recording) -> None:
    found = events.merge_polarities(recording)
    assert found.sensor_size == (5, 3, 1) and not found.events["p"].any() and recording.events["p"].any()
    assert events.to_frame(found, n_event_bins=1).shape == (1, 1, 3, 5)


def test_frames_of_time(recording: events.Recording) -> None:
    frames = events.to_frame(recording, time_window=10)
    assert frames.shape == (3, 2, 3, 5) and frames.dtype == np.int16
    assert frames.sum(axis=(1, 2, 3)).tolist() == [2, 2, 1]
    assert frames[1, 1, 2, 1] == 1 and frames[1, 0, 2, 4] == 1
    assert events.to_frame(recording, time_window=10, include_incomplete=True).sum(axis=(1, 2, 3)).tolist() == [2, 2, 1, 1]
    assert events.to_frame(recording, time_window=10, overlap=5).sum(axis=(1, 2, 3)).tolist() == [2, 1, 2, 2, 1]
    assert events.to_frame(recording, time_window=1000).sum() == 6


def test_frames_of_number(recording: events.Recording) -> None:
    assert events.to_frame(recording, event_count=4).sum(axis=(1, 2, 3)).tolist() == [4]
    assert events.to_frame(recording, event_count=4, include_incomplete=True).sum(axis=(1, 2, 3)).tolist() == [4, 2]
    assert events.to_frame(recording, event_count=3, overlap=2).sum(axis=(1, 2, 3)).tolist() == [3, 3, 3, 3]
    assert events.to_frame(recording, event_count=100, overlap=8).sum(axis=(1, 2, 3)).tolist() == [6]
    assert events.to_frame(recording, n_event_bins=3).sum(axis=(1, 2, 3)).tolist() == [2, 2, 2]
    assert events.to_frame(recording, n_time_bins=2).sum(axis=(1, 2, 3)).tolist() == [3, 2]


@pytest.mark.parametrize(("options", "message"), [
    ({}, "no window; give one of"), ({"time_window": 1, "event_count": 1}, "time_window and event_count; give one of"),
    ({"time_window": 0}, "time_window is 0"), ({"time_window": 2.5}, "time_window is 2.5"),
    ({"time_window": 5, "overlap": 5}, "overlap is 5; it must be at least 0 and below the 5 of time_window"),
    ({"n_time_bins": 2, "overlap": 1}, "go with time_window and event_count, not with n_time_bins"),
    ({"n_event_bins": 7}, "7 windows of 6 events"), ({"n_time_bins": 40}, "40 windows of a recording 31 units")])
def test_bad_frames(recording: events.Recording, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"^to_frame: .*{message}"):
        events.to_frame(recording, **options)


def test_slips_of_units_are_refused_before_memory_is_taken() -> None:
    long = events.make_events([0, 10**12], [0, 639], [0, 479], [0, 1])
    with pytest.raises(RanvierError, match="1000000000 steps; use longer windows, or give times in coarser units"):
        events.to_frame(long, time_window=1000)
    with pytest.raises(RanvierError, match="10000 steps of 640 x 480 x 2"):
        events.to_frame(long, time_window=10**8)
    with pytest.raises(RanvierError, match="there are no events"):
        events.to_frame(events.make_events([], [], [], []), time_window=1)
    many = events.make_events(np.zeros(40000), np.zeros(40000), np.zeros(40000), np.zeros(40000))
    with pytest.raises(RanvierError, match="40000 events on a pixel"):
        events.to_frame(many, event_count=40000)


@pytest.mark.parametrize(("call", "message"), [
    (lambda r: events.denoise(r, 0), "denoise: filter_time is 0"), (lambda r: events.downsample(r, time_factor=0), "time_factor is 0"),
    (lambda r: events.downsample(r, spatial_factor=(1, 2)), "spatial_factor is 2")])
def test_bad_options(recording: events.Recording, call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        call(recording)  # type: ignore[operator]
