"""Weights to integers, with a scale for each output channel.

A scale costs nothing on the fabric: a neuron's threshold and bias are in its own unit. Scales are chosen by the
least squared error, not by the largest weight, because at 4 bits and fewer cutting a few outliers is better than
rounding everything else coarsely (Banner et al., "Post training 4-bit quantization of convolutional networks for
rapid-deployment", NeurIPS 2019; Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1).

Weights that already lie on such a grid, as quantisation-aware training leaves them, are found again exactly: the
candidates include the grids that the largest weight could be a whole number of steps of.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.limits import Ints

__all__ = ["Floats", "quantise_channels", "quantise_thresholds", "quantise_to"]

Floats = npt.NDArray[np.float64]

_BITS = (2, 4, 8, 16)
#: Error, as a share of the weights' energy, below which grids count as equal: float32 noise is 4e-15, rounding to
#: 16 bits is above 1e-11.
_EXACT = 1e-13
#: Distance from a whole number, in steps, that float32 noise can cause at 16 bits.
_NOISE = 0.01
_REFINEMENTS = 20


def quantise_to(weights: Floats, scales: Floats, bits: int) -> Ints:
    """``weights`` (n_in, n_out) in units of ``scales`` (n_out,), rounded and cut to ``bits``: int64 (n_in, n_out)."""
    return _rounded(weights, scales, bits).astype(np.int64)


def quantise_channels(weights: npt.ArrayLike, bits: int, *, common: bool = False) -> tuple[Ints, Floats]:
    """Integers and scales so that ``integers * scales`` is near ``weights`` in the least squares.

    ``weights`` is finite, (n_in, n_out); ``bits`` is 2, 4, 8 or 16, signed. With ``common`` all channels share one
    scale. Returns int64 (n_in, n_out) in -2**(bits-1) to 2**(bits-1) - 1, and positive float64 (n_out,). Channels
    without a weight get the scale 1. Raises `RanvierError` for anything else.

    After the search, scale and integers are improved in turn until they stay: the best scale for integers q is
    <w, q> / <q, q>, and the best integers for a scale are the rounded ones.
    """
    matrix = _checked(weights, bits)
    # One scale for all is the case of a single channel that holds every weight.
    columns = matrix.reshape(-1, 1) if common else matrix
    peak = _peaks(columns)
    unit = columns / peak
    scales = _refined(unit, _best(unit, _candidates(unit, bits), bits), bits)
    found = np.where(np.any(columns != 0, axis=0), scales * peak, 1.0)
    found = np.broadcast_to(found, matrix.shape[1:]).copy()
    return quantise_to(matrix, found, bits), found


def _refined(unit: Floats, scales: Floats, bits: int) -> Floats:
    """Scales improved by least squares and rounding in turn."""
    for _ in range(_REFINEMENTS):
        integers = _rounded(unit, scales, bits)
        energy = (integers * integers).sum(axis=0)
        better = np.where(energy > 0, (unit * integers).sum(axis=0) / np.where(energy > 0, energy, 1), scales)
        better = np.where(better > 0, better, scales)
        if np.array_equal(better, scales):
            break
        scales = better
    return scales


def quantise_thresholds(weights: npt.ArrayLike, bias: npt.ArrayLike, bound: float, bits: int, *, most_theta: int,
                        most_input: int, reach: Floats | None = None) -> tuple[Ints, Ints, Ints, Floats]:
    """Integer weights, biases and thresholds of a layer whose neurons give one count for an activation of ``bound``.

    A threshold is whole, so a channel's scale is ``bound / theta``; the search runs over thetas, and the error is that
    of weights and bias together (the bias is a weight whose input is always on). Where several are equally good the
    smallest is taken: it leaves the most headroom.

    most_theta
        Largest threshold.
    most_input
        Largest sum of positive weights and bias, and of negative ones, that headroom allows. Where no threshold can
        keep it, the best of the others is taken and the proof of headroom will name the neuron.
    reach
        How often each weight of a channel can arrive in one step, (n_in,); None: once.

    Returns weights int64 (n_in, n_out), biases and thetas int64 (n_out,), scales float64 (n_out,).
    """
    matrix = _checked(weights, bits)
    offset = np.asarray(bias, np.float64)
    if not (math.isfinite(bound) and bound > 0):
        raise RanvierError(f"quantise: the bound is {bound}; it must be above 0 and finite")
    # In units of the bound, so that a scale is 1 / theta.
    matrix, offset = matrix / bound, offset / bound
    peak = _peaks(matrix)
    candidates = _candidates(matrix / peak, bits)
    refined = _refined(matrix / peak, _best(matrix / peak, candidates, bits), bits)
    grids = np.concatenate([candidates, refined[None]]) * peak
    with np.errstate(over="ignore"):
        exact = np.minimum(1 / grids, most_theta)
    spread = np.unique(np.geomspace(1, most_theta, 32).astype(np.int64))
    thetas = np.concatenate([np.floor(exact), np.ceil(exact),
                             np.broadcast_to(spread[:, None], (len(spread), matrix.shape[1]))])
    thetas = np.clip(thetas, 1, most_theta)
    theta = 1 / _best(matrix, 1 / thetas, bits, offset, most_input, reach)
    # The neighbours of the best: the candidates are far apart where thresholds are large.
    around = np.clip(np.rint(theta) + np.arange(-8, 9)[:, None], 1, most_theta)
    theta = np.rint(1 / _best(matrix, 1 / around, bits, offset, most_input, reach))
    whole = np.clip(np.rint(offset * theta), -(1 << 31), (1 << 31) - 1)
    return (quantise_to(matrix, 1 / theta, bits), whole.astype(np.int64), theta.astype(np.int64), bound / theta)


def _checked(weights: npt.ArrayLike, bits: int) -> Floats:
    matrix = np.asarray(weights, np.float64)
    if bits not in _BITS:
        raise RanvierError(f"quantise: weight_bits is {bits}; it must be one of 2, 4, 8 and 16")
    if matrix.ndim != 2 or 0 in matrix.shape or not np.all(np.isfinite(matrix)):
        raise RanvierError("quantise: the weights must be a finite matrix; correct the model")
    # Below this, squares and quotients would leave float64; such weights are zero by any measure.
    return np.where(np.abs(matrix) < 1e-60, 0.0, matrix)


def _peaks(matrix: Floats) -> Floats:
    """Largest magnitude of each channel, 1 where all are zero."""
    peak: Floats = np.abs(matrix).max(axis=0)
    return np.where(peak > 0, peak, 1.0)


def _rounded(matrix: Floats, scales: Floats, bits: int) -> Floats:
    most = 1 << bits - 1
    quotient: Floats = np.rint(matrix / scales)
    return np.clip(quotient, -most, most - 1, out=quotient)


def _candidates(unit: Floats, bits: int) -> Floats:
    """Scales to try, (candidates, n_out), for weights whose largest magnitude is 1 in each channel.

    If the largest weight is m steps, the scale is 1 / m. Steps that use the whole range without cutting have
    m = 2**(bits - 1); larger m cut outliers, smaller m waste range but may be a trained grid.
    """
    most = 1 << bits - 1
    steps = np.unique(np.concatenate([
        np.arange(1, min(most, 128) + 1), most * np.geomspace(0.5, 1, 8), most * np.geomspace(1, 6, 48)]))
    spread = np.broadcast_to(1 / steps[:, None], (len(steps), unit.shape[1]))
    return np.concatenate([spread, 1 / _trained_steps(unit, most)[None]])


def _trained_steps(unit: Floats, most: int) -> Floats:
    """The smallest m for which the largest weights of a channel are whole numbers of steps 1 / m, else ``most``.

    It is tried on the second largest weight for every m, then on more of them for the m that are left: at 16 bits
    trying them all on all weights would take minutes.
    """
    found = np.full(unit.shape[1], float(most))
    steps = np.arange(1.0, most + 1)
    order = np.argsort(-np.abs(unit), axis=0)[:64]
    for channel in range(unit.shape[1]):
        values = unit[order[:, channel], channel]
        left = steps
        for part in (values[1:2], values[1:4], values[1:]):
            if not part.size:
                break
            products = left[:, None] * part
            left = left[np.abs(products - np.rint(products)).max(axis=1) < _NOISE]
        if left.size:
            found[channel] = left[0]
    return found


def _best(matrix: Floats, candidates: Floats, bits: int, bias: Floats | None = None,
          most_input: int | None = None, often: Floats | None = None) -> Floats:
    """For each channel, the candidate scale with the least squared error; of equals the largest.

    ``candidates`` is (candidates, n_out). With ``bias`` its error counts too; with ``most_input`` candidates whose sums
    of contributions exceed it lose against all others; a weight contributes ``often`` (n_in,) times.
    """
    times = np.ones((1, 1)) if often is None else often[:, None]
    ordered = -np.sort(-candidates, axis=0)
    energy = (matrix * matrix).sum(axis=0) + (0.0 if bias is None else bias * bias)
    best: Floats = ordered[0].copy()
    least: Floats = np.full(matrix.shape[1], np.inf)
    for scales in ordered:
        integers = _rounded(matrix, scales, bits)
        difference = integers * scales - matrix
        error = np.einsum("ij,ij->j", difference, difference)
        if bias is not None:
            whole = np.rint(bias / scales)
            error += (whole * scales - bias) ** 2
            if most_input is not None:
                positive = (times * np.maximum(integers, 0)).sum(axis=0)
                negative = positive - (times * integers).sum(axis=0)
                reach = np.maximum(positive + np.maximum(whole, 0), negative - np.minimum(whole, 0))
                error = np.where(reach > most_input, np.inf, error)
        better = error < least - _EXACT * energy
        best, least = np.where(better, scales, best), np.where(better, error, least)
    return best
