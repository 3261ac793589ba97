"""Transforms of recordings under the names and meanings of `tonic.transforms`."""

from __future__ import annotations

import numpy as np

from ...model.errors import RanvierError
from .recording import Events, Recording

__all__ = ["denoise", "downsample", "merge_polarities"]


def denoise(recording: Recording, filter_time: float) -> Recording:
    """Only the events that have company: an earlier event less than ``filter_time`` before them at one of the four pixels beside theirs.

    Earlier is what stands before it in the recording, and polarities are alike. Events that were dropped are company too.
    """
    if not filter_time > 0:
        raise RanvierError(f"denoise: filter_time is {filter_time}; it must be above 0")
    events = recording.events
    width, height, _ = recording.sensor_size
    # A border of pixels without events saves asking whether a neighbour is on the sensor.
    until = np.full((width + 2, height + 2), -np.inf).tolist()
    kept = np.zeros(len(events), bool)
    for n, (t, x, y) in enumerate(zip(events["t"].tolist(), events["x"].tolist(), events["y"].tolist(), strict=True)):
        kept[n] = max(until[x][y + 1], until[x + 2][y + 1], until[x + 1][y], until[x + 1][y + 2]) > t
        until[x + 1][y + 1] = t + filter_time
    return Recording(events[kept], recording.sensor_size)


def downsample(recording: Recording, *, time_factor: float = 1, spatial_factor: float | tuple[float, float] = 1) -> Recording:
    """Times and places multiplied and rounded down; no event is dropped, and the sensor shrinks with its places.

    ``spatial_factor`` is one factor, or one for x and one for y; all factors are above 0 and at most 1.
    """
    across, down = spatial_factor if isinstance(spatial_factor, tuple) else (spatial_factor, spatial_factor)
    for name, factor in (("time_factor", time_factor), ("spatial_factor", across), ("spatial_factor", down)):
        if not 0 < factor <= 1:
            raise RanvierError(f"downsample: {name} is {factor}; it must be above 0 and at most 1")
    events = recording.events.copy()
    for name, factor in (("t", time_factor), ("x", across), ("y", down)):
        events[name] = np.floor(events[name] * factor)
    width, height, polarities = recording.sensor_size
    return Recording(events, (int((width - 1) * across) + 1, int((height - 1) * down) + 1, polarities))


def merge_polarities(recording: Recording) -> Recording:
    """Every polarity becomes 0, and the sensor has one."""
    events: Events = recording.events.copy()
    events["p"] = 0
    return Recording(events, (*recording.sensor_size[:2], 1))
