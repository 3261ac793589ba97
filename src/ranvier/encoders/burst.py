"""Burst code: the larger a value, the more spikes, and the closer together (Guo et al. 2021, section 2.2.4).

    spikes   = ceil(most * x)
    interval = ceil(isi_max - (isi_max - isi_min) * x)     isi_max where there is one spike
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import Spikes, check_steps, given_spikes, unit_values

__all__ = ["burst", "decode_burst"]


def burst(data: npt.ArrayLike, steps: int, *, most: int = 5, isi_min: int = 1, isi_max: int | None = None) -> Spikes:
    """Values in 0 to 1 as bursts that begin in step 0, [steps, ...], bool.

    ``most`` is the number of spikes of a 1; ``isi_min`` and ``isi_max`` are the least and the greatest distance of two spikes, in steps.
    Without ``isi_max`` it is the greatest of which a whole burst fits the window, so no spike is lost. Raises `RanvierError` where a
    burst does not fit.
    """
    values = unit_values(data, "burst").astype(np.float64)
    check_steps(steps, "burst")
    if not 1 <= most <= steps:
        raise RanvierError(f"burst: most is {most}; it must be 1 to the {steps} steps")
    if isi_max is None:
        isi_max = max((steps - 1) // max(most - 1, 1), isi_min)
    if not 1 <= isi_min <= isi_max:
        raise RanvierError(f"burst: isi_min is {isi_min} and isi_max {isi_max}; they must be at least 1, the smaller one first")
    counts = np.ceil(most * values).astype(np.int64)
    intervals = np.where(counts > 1, np.ceil(isi_max - (isi_max - isi_min) * values), isi_max).astype(np.int64)
    last = int(((counts - 1) * intervals).max(initial=0))
    if last >= steps:
        raise RanvierError(f"burst: the last spike would come in step {last} of {steps}; use a smaller isi_max, fewer spikes or more steps")
    time = np.arange(steps).reshape(-1, *[1] * values.ndim)
    spikes: Spikes = (time % intervals == 0) & (time // intervals < counts)
    return spikes


def decode_burst(spikes: npt.ArrayLike, *, most: int = 5) -> npt.NDArray[np.float64]:
    """Values [...] from spikes [steps, ...], by their number: the middle of what gives so many, so wrong by at most 0.5 / most."""
    array = given_spikes(spikes, "decode_burst") != 0
    if most < 1:
        raise RanvierError(f"decode_burst: most is {most}; it must be at least 1")
    counts = array.sum(axis=0)
    return np.where(counts > 0, (counts - 0.5) / most, 0.0)
