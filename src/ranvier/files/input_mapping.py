"""What the values of a sample mean to the network, as a network file records it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.network.network import Network

__all__ = ["InputMapping", "channels_last", "input_mapping_of"]

Floats = npt.NDArray[np.float64]

#: Longest list of means that a report or a file holds: one for each value of the largest input.
_MOST = 1 << 20


@dataclass(frozen=True)
class InputMapping:
    """How a sample's values become the conventional network's input.

    input_range
        (low, high): the values that stand for 0 and for the largest input value; None where they are 0 and 1 for
        floats, and 0 and the largest input value for integers.
    mean, std
        What the network was trained with: x = (value - mean) / std, in the units of ``input_range``. One number for all
        values, one for each channel (channels first), or one for each value.
    channels_first
        (height, width, channels) of samples that come channel by channel, while the input neurons are in the order
        (y, x, channel); None where both have the same order.
    """

    input_range: tuple[float, float] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels_first: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, size: int, input_range: Sequence[float] | None, mean: npt.ArrayLike | None, std: npt.ArrayLike | None,
           channels_first: tuple[int, int, int] | None = None) -> InputMapping:
        """The mapping of ``size`` values, checked. Raises `RanvierError`."""
        found = None
        if input_range is not None:
            ends = _numbers("input_range", input_range)
            if len(ends) != 2 or not ends[0] < ends[1]:
                raise RanvierError(f"input_range: {_listed(ends)}; it must be two numbers, the lower one first")
            found = (ends[0], ends[1])
        means, stds = ((default,) if given is None else _numbers(name, given)
                       for name, given, default in (("mean", mean, 0.0), ("std", std, 1.0)))
        for name, values in (("mean", means), ("std", stds)):
            if size % len(values):
                raise RanvierError(f"{name}: {len(values)} numbers; a sample has {size} values: give one number, one for each "
                                   "channel, or one for each value")
        if min(stds) <= 0:
            raise RanvierError(f"std: {min(stds):g}; it must be above 0")
        return cls(found, means, stds, channels_first)

    @property
    def plain(self) -> bool:
        """Whether the values go in as they are."""
        return self == InputMapping()

    def affine(self, size: int) -> tuple[Floats, Floats]:
        """a and c, float64 (size,) each in the order of a sample, so that the network's input is a * rate + c."""
        low, high = self.input_range or (0.0, 1.0)
        mean, std = (np.repeat(np.asarray(values), size // len(values)) for values in (self.mean, self.std))
        return (high - low) / std, (low - mean) / std

    def ordered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """``values`` (..., size) of samples in the order of the input neurons."""
        return values if self.channels_first is None else channels_last(values, self.channels_first)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        order = {} if self.channels_first is None else {"channels_first": list(self.channels_first)}
        return {"range": None if self.input_range is None else list(self.input_range), "mean": list(self.mean), "std": list(self.std),
                **order}


def input_mapping_of(network: Network) -> InputMapping:
    """The mapping that ``network`` was converted with. Raises `RanvierError` where its record is damaged."""
    found = network.info.get("input")
    if found is None:
        return InputMapping()
    if not isinstance(found, Mapping) or found.keys() - {"channels_first"} != {"range", "mean", "std"}:
        raise RanvierError("network: info: 'input' must have range, mean and std; convert it again")
    size = sum(population.size for population in network.inputs)
    shape = None
    if "channels_first" in found:
        if len(network.inputs) != 1 or found["channels_first"] != list(network.inputs[0].shape):
            raise RanvierError("network: info: input: 'channels_first' is not the shape of the input population; convert it again")
        shape = network.inputs[0].shape
    try:
        return InputMapping.of(size, found["range"], found["mean"], found["std"], shape)
    except RanvierError as error:
        raise RanvierError(f"network: info: input: {error}") from None


def channels_last(values: npt.NDArray[Any], shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """``values`` (..., channels * height * width), channels first, in the order (y, x, channel); ``shape`` is (height, width, channels)."""
    height, width, channels = shape
    return np.moveaxis(values.reshape(*values.shape[:-1], channels, height, width), -3, -1).reshape(values.shape)


def _numbers(name: str, given: npt.ArrayLike) -> tuple[float, ...]:
    """``given`` as finite numbers, in a row."""
    try:
        values = tuple(float(value) for value in np.asarray(given, np.float64).reshape(-1))
    except (TypeError, ValueError, OverflowError):
        values = ()
    if not 0 < len(values) <= _MOST or not all(math.isfinite(value) for value in values):
        raise RanvierError(f"{name}: it must be a finite number, or several of them")
    return values


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:8])
