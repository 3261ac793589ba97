"""Labels as people save them: integers, whole floats, bool, one-hot rows, or targets of a regression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .archive import Array

__all__ = ["Labels", "is_one_hot", "read_labels"]

Labels = npt.NDArray[np.int64] | npt.NDArray[np.float64]

#: What rounding may add to a whole number that was saved as a float.
_DUST = 1e-6
#: Whole floats up to here are exact.
_EXACT = 1 << 53


def is_one_hot(array: Array) -> bool:
    """Whether every row of ``array`` (n, classes) has a single 1 and else zeros."""
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        return False
    ones = np.abs(array.astype(np.float64) - 1) <= _DUST if array.dtype.kind == "f" else array == 1
    zeros = np.abs(array) <= _DUST if array.dtype.kind == "f" else array == 0
    return bool(np.all(ones | zeros) and np.all(ones.sum(axis=1) == 1))


def read_labels(array: Array, count: int, owner: str) -> Labels:
    """``array`` as ``count`` labels: int64 where all are whole, else float64. Raises `RanvierError`.

    Its shape is (count,), (count, 1), or (count, classes) with one-hot rows, which become their index.
    """
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        if array.ndim == 2 and len(array) == count and is_one_hot(array):
            indices: Labels = np.argmax(array, axis=1).astype(np.int64)
            return indices
        raise RanvierError(f"{owner}: labels of shape {array.shape}; they must be {count} numbers, one for each sample, or one-hot rows: "
                           "correct or remove them, or name others with --labels")
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):     # of a signalling NaN
            floats = array.astype(np.float64)
        if not np.all(np.isfinite(floats)):
            raise RanvierError(f"{owner}: a label is NaN or infinite; correct or remove them")
        whole = np.rint(floats)
        if np.any(np.abs(floats - whole) > _DUST) or np.any(np.abs(whole) > _EXACT):
            return floats
        return whole.astype(np.int64, copy=False)
    if array.dtype.kind == "u" and array.size and int(array.max()) >= 1 << 63:
        raise RanvierError(f"{owner}: label {array.max()} is no class number; correct or remove them")
    return array.astype(np.int64)
