"""Events to steps: how many fell on each pixel in each window of time or of number. `tonic.transforms.ToFrame` in names and meanings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...model.errors import RanvierError
from ..values import MOST_STEPS
from .recording import Recording

__all__ = ["to_frame"]

#: Values that the frames of a recording may have: a slip in the units of time would ask for far more.
_MOST_VALUES = 1 << 31


def to_frame(recording: Recording, *, time_window: int | None = None, event_count: int | None = None, n_time_bins: int | None = None,
             n_event_bins: int | None = None, overlap: int = 0, include_incomplete: bool = False) -> npt.NDArray[np.int16]:
    """Counts of events [steps, polarities, height, width], int16. One of four says what a step is:

    - ``time_window``: so many units of time from the first event on, the next one ``overlap`` before the end of the one before. A last
      window that the recording does not fill counts with ``include_incomplete`` only, but the first one always.
    - ``event_count``: so many events, with ``overlap`` and ``include_incomplete`` in events.
    - ``n_time_bins``: so many windows, equally long: whole units of the recording's time divided by it, rounded down.
    - ``n_event_bins``: so many windows of equally many events, rounded down.

    Raises `RanvierError` without events, for options out of range, and where a pixel counts beyond int16.
    """
    given = {name: value for name, value in (("time_window", time_window), ("event_count", event_count), ("n_time_bins", n_time_bins),
                                             ("n_event_bins", n_event_bins)) if value is not None}
    if len(given) != 1:
        raise RanvierError(f"to_frame: {' and '.join(given) or 'no window'}; give one of time_window, event_count, n_time_bins and "
                           "n_event_bins")
    ((name, size),) = given.items()
    if not 1 <= size < 1 << 62 or size != int(size):
        raise RanvierError(f"to_frame: {name} is {size}; it must be a whole number of at least 1")
    if not len(recording.events):
        raise RanvierError("to_frame: there are no events")
    spans = _spans(recording, name, int(size), overlap, include_incomplete)
    width, height, polarities = recording.sensor_size
    if len(spans) > MOST_STEPS or len(spans) * width * height * polarities > _MOST_VALUES:
        raise RanvierError(f"to_frame: {len(spans)} steps of {width} x {height} x {polarities}; use longer windows, downsample first, "
                           f"or give times in coarser units")
    frames = np.zeros((len(spans), polarities, height, width), np.int64)
    for frame, (first, stop) in zip(frames, spans, strict=True):
        events = recording.events[first:stop]
        np.add.at(frame, (events["p"], events["y"], events["x"]), 1)
    if frames.size and int(frames.max()) > 32767:
        raise RanvierError(f"to_frame: {int(frames.max())} events on a pixel in a step; use shorter windows")
    return frames.astype(np.int16)


def _spans(recording: Recording, name: str, size: int, overlap: int, include_incomplete: bool) -> list[tuple[int, int]]:
    """The first event of each window, and the one after its last."""
    count = len(recording.events)
    if name in ("time_window", "event_count"):
        if not 0 <= overlap < size:
            raise RanvierError(f"to_frame: overlap is {overlap}; it must be at least 0 and below the {size} of {name}")
    elif overlap or include_incomplete:
        raise RanvierError(f"to_frame: overlap and include_incomplete go with time_window and event_count, not with {name}")
    if name in ("event_count", "n_event_bins"):
        if size > count and name == "n_event_bins":
            raise RanvierError(f"to_frame: {size} windows of {count} events; use fewer")
        length = min(size, count) if name == "event_count" else count // size
        stride = size - overlap if name == "event_count" else length
        windows = _windows(count, size, stride, include_incomplete) if name == "event_count" else size
        return [(n * stride, min(n * stride + length, count)) for n in range(windows)]
    times = recording.events["t"]
    first, duration = int(times[0]), int(times[-1]) - int(times[0])
    length = size if name == "time_window" else duration // size
    if length < 1:
        raise RanvierError(f"to_frame: {size} windows of a recording {duration} units of time long; use fewer")
    stride = length - overlap
    windows = _windows(duration, length, stride, include_incomplete) if name == "time_window" else size
    if windows > MOST_STEPS:
        raise RanvierError(f"to_frame: {windows} steps; use longer windows, or give times in coarser units")
    starts = first + stride * np.arange(windows)
    return list(zip(np.searchsorted(times, starts).tolist(), np.searchsorted(times, starts + length).tolist(), strict=True))


def _windows(whole: int, length: int, stride: int, include_incomplete: bool) -> int:
    """Windows in a stretch of ``whole``; at least one."""
    over = whole - length
    return max(-(-over // stride) if include_incomplete else over // stride, 0) + 1
