"""Counter values that the model predicts, in the hardware's terms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .layout import Counter

__all__ = ["Counts", "empty"]

#: int64 of shape (units, counters), units as in `Placement.units`.
Counts = npt.NDArray[np.int64]


def empty(units: int) -> Counts:
    """All counters of ``units`` units at 0."""
    return np.zeros((units, len(Counter)), np.int64)
