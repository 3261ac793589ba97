"""What all encoders ask of the values that they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError

__all__ = ["MOST_STEPS", "Floats", "Spikes", "check_steps", "finite_values", "given_spikes", "unit_values"]

Floats = npt.NDArray[np.floating[Any]]
Spikes = npt.NDArray[np.bool_]

#: Steps that a window may have.
MOST_STEPS = 65535


def finite_values(data: npt.ArrayLike, owner: str) -> Floats:
    """``data`` as float32 where it is that, and else as float64. NaN, infinity and no numbers at all are a `RanvierError`."""
    try:
        array = np.asarray(data)
    except ValueError:
        raise RanvierError(f"{owner}: the values have no rectangular shape; give rows of equal lengths") from None
    if array.dtype.kind not in "fiub":
        raise RanvierError(f"{owner}: values of the type {array.dtype}; give numbers")
    floats: Floats = array.astype(np.float32 if array.dtype == np.float32 else np.float64, copy=False)
    if not np.isfinite(floats).all():
        raise RanvierError(f"{owner}: NaN or infinity among the values; replace them")
    return floats


def unit_values(data: npt.ArrayLike, owner: str) -> Floats:
    """`finite_values` that lie in 0 to 1; others are a `RanvierError`."""
    values = finite_values(data, owner)
    if values.size and (float(values.min()) < 0 or float(values.max()) > 1):
        raise RanvierError(f"{owner}: values from {float(values.min()):.6g} to {float(values.max()):.6g}; scale them to 0 to 1 first")
    return values


def check_steps(steps: int, owner: str, least: int = 1) -> None:
    """Raises `RanvierError` where ``steps`` is no number of steps, or less than the encoder needs."""
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or not least <= steps <= MOST_STEPS:
        raise RanvierError(f"{owner}: steps is {steps!r}; it must be a whole number from {least} to {MOST_STEPS}")


def given_spikes(spikes: npt.ArrayLike, owner: str) -> npt.NDArray[Any]:
    """Spikes for a decoder, with at least one step; others are a `RanvierError`."""
    array = np.asarray(spikes)
    if array.ndim == 0 or not len(array) or array.dtype.kind not in "fiub":
        raise RanvierError(f"{owner}: spikes of the shape {array.shape} and type {array.dtype}; give numbers [steps, ...], not of no step")
    return array
