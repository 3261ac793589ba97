"""Send on delta: a spike where a value has moved away from what was sent last, as the pixels of an event camera do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import finite_values, given_spikes

__all__ = ["decode_send_on_delta", "send_on_delta"]


def send_on_delta(data: npt.ArrayLike, *, threshold: float = 0.1, padding: bool = False, most: int | None = None) -> npt.NDArray[np.int16]:
    """Values [steps, ...] as counts of spikes [steps, ...], int16, negative where the value falls.

    What was sent is a whole number of thresholds from a start: 0, or with ``padding`` the first step's own value. In each step as many
    thresholds are sent as the value lies away from it, whole ones only, and no more than ``most`` where that is given: a fast change then
    takes several steps. `decode_send_on_delta` adds them up again, and is wrong by less than ``threshold``, without ``most``.

    Raises `RanvierError` for values without a time axis, NaN, infinity, a threshold that is not above 0 and changes beyond int16.
    """
    values = finite_values(data, "send_on_delta").astype(np.float64)
    if values.ndim == 0:
        raise RanvierError("send_on_delta: a single value; give values [steps, ...]")
    if not threshold > 0:
        raise RanvierError(f"send_on_delta: threshold is {threshold}; it must be above 0")
    if most is not None and not 1 <= most <= 32767:
        raise RanvierError(f"send_on_delta: most is {most}; it must be 1 to 32767")
    spikes = np.zeros(values.shape, np.int16)
    if not len(values):
        return spikes
    away = (values - values[0] if padding else values) / threshold
    if float(np.abs(away).max()) > 16000:
        raise RanvierError("send_on_delta: a value lies more than 16000 thresholds away; use a larger threshold")
    sent = np.zeros(values.shape[1:], np.int64)
    for step, level in enumerate(away):
        count = np.trunc(level - sent).astype(np.int64)
        if most is not None:
            count = np.clip(count, -most, most)
        sent += count
        spikes[step] = count
    return spikes


def decode_send_on_delta(spikes: npt.ArrayLike, *, threshold: float = 0.1, start: npt.ArrayLike = 0.0) -> npt.NDArray[np.float64]:
    """Values [steps, ...] from counts [steps, ...]: ``start`` and ``threshold`` for each count so far.

    ``start`` is 0, or the first step's values where they were encoded with ``padding``.
    """
    array = given_spikes(spikes, "decode_send_on_delta")
    return np.asarray(start, np.float64) + threshold * np.cumsum(array, axis=0, dtype=np.float64)
