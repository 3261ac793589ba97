"""Latency code: one spike a value, the larger the earlier. `snntorch.spikegen.latency` under its names and meanings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .values import Floats, Spikes, check_steps, given_spikes, unit_values

__all__ = ["decode_latency", "latency"]

# snnTorch's: what keeps the logarithm of a value at the threshold finite.
_EPSILON = 1e-7


def latency(data: npt.ArrayLike, steps: int, *, threshold: float = 0.01, tau: float = 1, first_spike_time: int = 0, clip: bool = False,
            normalize: bool = False, linear: bool = False) -> Spikes:
    """Values in 0 to 1 as one spike each, [steps, ...], bool.

    The step of the spike, before rounding (halves to even):

    - logarithmic: tau * ln(x / (x - threshold)), which is when a leaky integrator that is driven by x reaches ``threshold``;
    - ``linear``: tau * (1 - x).

    Values below ``threshold`` spike as it does, last, or not at all with ``clip``. ``first_spike_time`` comes on top. ``normalize``
    stretches the spikes over the window: linear, tau is steps - 1 - first_spike_time; logarithmic, the last spike of these data comes in
    the last step.

    Computed in float32 where ``data`` is float32, as snnTorch does, and else in float64. Raises `RanvierError` where a spike would come
    after the window.
    """
    values = unit_values(data, "latency")
    check_steps(steps, "latency")
    _check(threshold, tau, first_spike_time, steps)
    if not values.size:
        return np.zeros((steps, *values.shape), bool)
    times = np.rint(_times(values, steps, threshold, tau, first_spike_time, normalize, linear)).astype(np.int64)
    last = int(times.max())
    if last >= steps:
        raise RanvierError(f"latency: the last spike would come in step {last} of {steps}; use normalize, a smaller tau, a larger "
                           "threshold or more steps")
    spikes: Spikes = np.arange(steps).reshape(-1, *[1] * values.ndim) == times
    return spikes & ~(values < threshold) if clip else spikes


def _check(threshold: float, tau: float, first_spike_time: int, steps: int) -> None:
    if not 0 < threshold < 1:
        raise RanvierError(f"latency: threshold is {threshold}; it must be above 0 and below 1")
    if not 0 < tau < float("inf"):
        raise RanvierError(f"latency: tau is {tau}; it must be above 0")
    if not 0 <= first_spike_time < steps:
        raise RanvierError(f"latency: first_spike_time is {first_spike_time}; it must be 0 to {steps - 1}, within the window")


def _times(values: Floats, steps: int, threshold: float, tau: float, first: int, normalize: bool, linear: bool) -> Floats:
    """Steps of the spikes, before rounding; the operations in snnTorch's order, so that float32 rounds alike."""
    if linear:
        if normalize:
            tau = steps - 1 - first
        found: Floats = np.minimum(-tau * (values - 1), -tau * (threshold - 1)) + first
        return found
    held = np.maximum(values, threshold + _EPSILON).astype(values.dtype)
    times: Floats = tau * np.log(held / (held - threshold))
    if first:
        times = times + first
    if normalize and float(times.max()) > first:
        times = (times - first) * (steps - first - 1) / np.max(times - first) + first
    return times


def decode_latency(spikes: npt.ArrayLike, *, threshold: float = 0.01, tau: float = 1, first_spike_time: int = 0, normalize: bool = False,
                   linear: bool = False) -> npt.NDArray[np.float64]:
    """Values [...] from spikes [steps, ...] that `latency` made with the same options; 0 where there is no spike.

    The value is the one whose spike, before rounding, comes in the very step. So the error is that of half a step, at most 0.5 / tau
    where ``linear``; and for values below ``threshold``, up to ``threshold`` more. A logarithmic code that was normalised cannot be
    decoded, as its scale is the data's: that, and more than one spike a value, is a `RanvierError`.
    """
    array = np.asarray(given_spikes(spikes, "decode_latency")) != 0
    _check(threshold, tau, first_spike_time, len(array))
    if normalize and not linear:
        raise RanvierError("decode_latency: a normalised logarithmic code has lost its scale; encode with linear or without normalize")
    if array.size and int(array.sum(axis=0).max()) > 1:
        raise RanvierError("decode_latency: a value with several spikes; it is no latency code")
    times = np.argmax(array, axis=0) - first_spike_time
    if linear:
        scale = len(array) - 1 - first_spike_time if normalize else tau
        values = 1 - times / scale if scale else np.ones(times.shape)
    else:
        # In step 0 it would be infinite, and 1 is the largest that there is.
        values = np.where(times > 0, threshold / -np.expm1(-np.maximum(times, 1) / tau), 1.0)
    return np.where(array.any(axis=0), np.clip(values, 0, 1), 0.0)
