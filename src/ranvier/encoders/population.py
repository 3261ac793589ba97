"""Population code: several neurons for a value, each with a Gaussian receptive field (Bohte et al. 2002, section 3.1).

Neuron i of m, from 1, has its centre at (2i - 3) / (2 (m - 2)) and the width 1 / (beta (m - 2)). The nearer the value, the earlier its
spike; far from its centre it does not spike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import Spikes, check_steps, given_spikes, unit_values

__all__ = ["activations", "decode_population", "population", "population_quantum"]

_BETA = 1.5
_CUTOFF = 0.1
#: Values that the decoder tells apart.
_GRID = 4097


def activations(data: npt.ArrayLike, neurons: int = 8, *, beta: float = _BETA) -> npt.NDArray[np.float64]:
    """What each receptive field makes of values in 0 to 1: [..., neurons], 0 to 1. Any other encoder takes these as values."""
    values = unit_values(data, "population").astype(np.float64)
    if not 3 <= neurons <= 1024:
        raise RanvierError(f"population: {neurons} neurons; it must be 3 to 1024")
    if not 0 < beta < float("inf"):
        raise RanvierError(f"population: beta is {beta}; it must be above 0")
    centres = (2 * np.arange(1, neurons + 1) - 3) / (2 * (neurons - 2))
    width = 1 / (beta * (neurons - 2))
    return np.asarray(np.exp(-((values[..., None] - centres) / width) ** 2 / 2))


def population(data: npt.ArrayLike, steps: int, neurons: int = 8, *, beta: float = _BETA, cutoff: float = _CUTOFF) -> Spikes:
    """Values in 0 to 1 as at most one spike of each of their neurons, [steps, ..., neurons], bool.

    A neuron whose field gives a spikes in step (1 - a) * (steps - 1), rounded (halves to even), and not at all where a is below
    ``cutoff``. Raises `RanvierError` for values outside of 0 to 1 and options out of range.
    """
    check_steps(steps, "population", least=2)
    if not 0 <= cutoff < 1:
        raise RanvierError(f"population: cutoff is {cutoff}; it must be at least 0 and below 1")
    fields = activations(data, neurons, beta=beta)
    times = np.rint((1 - fields) * (steps - 1)).astype(np.int64)
    spikes: Spikes = (np.arange(steps).reshape(-1, *[1] * fields.ndim) == times) & (fields >= cutoff)
    return spikes


def decode_population(spikes: npt.ArrayLike, *, beta: float = _BETA, cutoff: float = _CUTOFF) -> npt.NDArray[np.float64]:
    """Values [...] from spikes [steps, ..., neurons]: of 4,097 values from 0 to 1, the middle of those whose spikes come nearest.

    Nearest is the least sum of differences in time, where a neuron that does not spike counts as one that spikes a step after the
    window. Where the spikes are those of a value, the error is at most `population_quantum`.
    """
    array = given_spikes(spikes, "decode_population") != 0
    if array.ndim < 2:
        raise RanvierError(f"decode_population: spikes of the shape {array.shape}; give [steps, ..., neurons]")
    steps, neurons = len(array), array.shape[-1]
    grid = np.linspace(0, 1, _GRID)
    table = _times(population(grid, steps, neurons, beta=beta, cutoff=cutoff))
    found = _times(array).reshape(-1, neurons)
    values = np.empty(len(found))
    for n, times in enumerate(found):
        distance = np.abs(table - times).sum(axis=1)
        values[n] = grid[distance == distance.min()].mean()
    return values.reshape(array.shape[1:-1])


def _times(spikes: Spikes) -> npt.NDArray[np.int64]:
    """The step of each spike, [..., neurons]; the number of steps where there is none."""
    return np.where(spikes.any(axis=0), spikes.argmax(axis=0), len(spikes))


def population_quantum(steps: int, neurons: int = 8, *, beta: float = _BETA, cutoff: float = _CUTOFF) -> float:
    """Half of the widest range of values with the same spikes, and the distance of two values that the decoder tells apart."""
    grid = np.linspace(0, 1, _GRID)
    table = _times(population(grid, steps, neurons, beta=beta, cutoff=cutoff))
    changes = np.flatnonzero((table[1:] != table[:-1]).any(axis=1))
    borders = np.concatenate([[0], changes + 1, [_GRID]])
    return float(np.diff(borders).max() / 2 + 1) / (_GRID - 1)
