"""Rate code: how often a neuron spikes says how large its value is.

``regular`` is what an input population of the fabric does with a value that the host holds, so that spikes encoded here and values given
there are the same network input. ``bernoulli`` draws every spike, as `snntorch.spikegen.rate` does, but from `model/prng.py`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.prng import Purpose, prng
from .values import Floats, Spikes, check_steps, given_spikes, unit_values

__all__ = ["decode_rate", "rate"]

METHODS = ("regular", "bernoulli")


def rate(data: npt.ArrayLike, steps: int | None = None, *, method: str = "regular", input_bits: int = 8, v_init: int | None = None,
         seed: int = 0, first_step: int = 0) -> Spikes:
    """Values in 0 to 1 as spikes [steps, ...], bool.

    ``data`` has any shape and is held for ``steps`` steps; without ``steps`` its first axis is time, a new value in every step.

    ``regular``: the value is rounded to a whole number of 0 to 2**input_bits - 1, that is theta, and integrated as an `input` population
    does, with reset by subtraction, from ``v_init`` (theta // 2 without one, as `ranvier.convert` gives its inputs). So there are
    floor((v_init + steps * level) / theta) spikes, evenly spread.

    ``bernoulli``: a spike where ``prng(seed, first_step + step, neuron, Purpose.RATE) < value * 2**32``, where ``neuron`` counts through
    ``data`` (without a time axis) in its own order. 0 never spikes and 1 always does. Give the n-th of several samples
    ``first_step=n * steps``, or they get the same draws.

    Raises `RanvierError` for values that are no numbers of 0 to 1, and for options out of range.
    """
    values = unit_values(data, "rate")
    if steps is None:
        if values.ndim == 0:
            raise RanvierError("rate: a single value and no steps; give steps, or values [steps, ...]")
    else:
        check_steps(steps, "rate")
    if method == "regular":
        return _regular(values, steps, input_bits, v_init)
    if method != "bernoulli":
        raise RanvierError(f"rate: method is {method!r}; it must be one of {', '.join(METHODS)}")
    if steps is None:
        steps, sample = len(values), values.shape[1:]
    else:
        sample = values.shape
    neurons = np.arange(int(np.prod(sample, dtype=np.int64)))
    numbers = prng(seed, first_step + np.arange(steps)[:, None], neurons, int(Purpose.RATE))
    return np.asarray(numbers).reshape(steps, *sample) < values.astype(np.float64) * 2.0**32


def _regular(values: Floats, steps: int | None, input_bits: int, v_init: int | None) -> Spikes:
    if not 1 <= input_bits <= 16:
        raise RanvierError(f"rate: input_bits is {input_bits}; it must be 1 to 16")
    theta = (1 << input_bits) - 1
    start = theta // 2 if v_init is None else v_init
    if not 0 <= start < theta:
        raise RanvierError(f"rate: v_init is {start}; it must be 0 to {theta - 1}, below theta")
    levels = np.rint(values.astype(np.float64) * theta).astype(np.int64)
    if steps is None:
        sums = np.concatenate([np.full((1, *levels.shape[1:]), start), start + np.cumsum(levels, axis=0)])
    else:
        sums = start + np.multiply.outer(np.arange(steps + 1), levels)
    # A spike wherever the sum of all that arrived passes a multiple of theta: what integrating and subtracting theta does.
    return np.diff(sums // theta, axis=0) > 0


def decode_rate(spikes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Values [...] from spikes [steps, ...]: spikes a step.

    After ``regular`` from theta // 2 the error is at most half a spike and half a level, 0.5 / steps + (0.5 + 0.5 / steps) / theta. After
    ``bernoulli`` its standard deviation is sqrt(x * (1 - x) / steps).
    """
    array = given_spikes(spikes, "decode_rate")
    return np.asarray(np.mean(array, axis=0, dtype=np.float64))
