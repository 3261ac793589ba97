"""Phase code: the bits of a value, one a step, the highest first (Kim et al. 2018, "weighted spikes").

A spike in phase k of a period weighs 2**-(k + 1). The fabric's bit planes are the same bits, side by side in one step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import Spikes, check_steps, given_spikes, unit_values

__all__ = ["decode_phase", "phase"]


def phase(data: npt.ArrayLike, steps: int, *, period: int | None = None) -> Spikes:
    """Values in 0 to 1 as their bits, [steps, ...], bool.

    A value is min(floor(x * 2**period), 2**period - 1); its bits come in ``period`` steps, the highest first, again and again.
    ``period`` is ``steps`` without one, at most 16, and divides ``steps``. Raises `RanvierError` where it does not.
    """
    values = unit_values(data, "phase")
    check_steps(steps, "phase")
    period = _period(steps, period, "phase")
    levels = np.minimum(np.floor(values.astype(np.float64) * (1 << period)), (1 << period) - 1).astype(np.int64)
    places = np.arange(period - 1, -1, -1).reshape(-1, *[1] * values.ndim)
    spikes: Spikes = np.tile(levels >> places & 1, (steps // period, *[1] * values.ndim)) != 0
    return spikes


def _period(steps: int, period: int | None, owner: str) -> int:
    found = steps if period is None else period
    if not 1 <= found <= 16 or steps % found:
        raise RanvierError(f"{owner}: a period of {found} in {steps} steps; it must be 1 to 16 and divide them")
    return found


def decode_phase(spikes: npt.ArrayLike, *, period: int | None = None) -> npt.NDArray[np.float64]:
    """Values [...] from spikes [steps, ...]: each the middle of what has these bits, so wrong by at most 2**-(period + 1).

    Periods are averaged. Raises `RanvierError` where ``period`` does not divide the steps.
    """
    array = given_spikes(spikes, "decode_phase") != 0
    period = _period(len(array), period, "decode_phase")
    weights = 0.5 ** np.arange(1, period + 1)
    each = array.reshape(-1, period, *array.shape[1:])
    values = np.tensordot(weights, each.astype(np.float64), axes=(0, 1)).mean(axis=0) + 0.5 ** (period + 1)
    return np.asarray(values, np.float64)
