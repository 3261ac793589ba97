"""Delta code: a spike where a value differs from its neighbour in time. `snntorch.spikegen.delta` under its names and meanings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import finite_values

__all__ = ["delta"]


def delta(data: npt.ArrayLike, *, threshold: float = 0.1, padding: bool = False, off_spike: bool = False) -> npt.NDArray[np.int8]:
    """Values [steps, ...] as spikes [steps, ...], int8: 1 where a step exceeds the one before by ``threshold`` or more.

    With ``off_spike`` also -1 where it falls by that much. Before the first step lies 0, or with ``padding`` the first step's own value,
    which then gives no spike. Values need not lie in 0 to 1.

    It forgets what it did not send: a slow rise gives no spike at all, so there is no decoder. `send_on_delta` has one. Raises
    `RanvierError` for values without a time axis, NaN, infinity, and a threshold that is not above 0.
    """
    values = finite_values(data, "delta")
    if values.ndim == 0:
        raise RanvierError("delta: a single value; give values [steps, ...]")
    if not threshold > 0:
        raise RanvierError(f"delta: threshold is {threshold}; it must be above 0")
    if not len(values):
        return np.zeros(values.shape, np.int8)
    before = np.concatenate([values[:1] if padding else np.zeros_like(values[:1]), values[:-1]])
    change = values - before
    spikes: npt.NDArray[np.int8] = (change >= threshold).astype(np.int8)
    if off_spike:
        spikes -= (change <= -threshold).astype(np.int8)
    return spikes
