"""Spikes as `ranvier encode` writes them: time first, for a network whose inputs take them step by step."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.network.network import Network
from .archive import Archive
from .labels import Labels, read_labels
from .safe import shown

__all__ = ["Spikes", "has_spikes", "load_spikes"]


@dataclass(frozen=True, eq=False)
class Spikes:
    """Counts (samples, steps, size), unsigned, and labels (samples,) where the file has them."""

    values: npt.NDArray[Any]
    labels: Labels | None

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return int(self.values.shape[1])


def has_spikes(path: str | os.PathLike[str]) -> bool:
    """Whether it is an npz with the array 'spikes'."""
    return Path(path).suffix.lower() == ".npz" and Path(path).is_file() and "spikes.npy" in Archive(path).names


def load_spikes(path: str | os.PathLike[str], network: Network, limit: int | None = None) -> Spikes:
    """Read the array 'spikes', [steps, ...] of one sample or [steps, samples, ...], for the one input population of ``network``.

    Raises `RanvierError` where its shape does not fit, where a count is negative or more than a spike carries, and where the input
    population would not hand on spikes as they come.
    """
    archive, name, inputs = Archive(path), f"{shown(path)}: spikes", network.inputs[0]
    array = archive.array("spikes.npy")
    size = inputs.size
    if array.ndim >= 2 and math.prod(array.shape[1:]) == size:
        array = array.reshape(len(array), 1, size)
    elif array.ndim >= 3 and math.prod(array.shape[2:]) == size:
        array = array.reshape(*array.shape[:2], size)
    else:
        raise RanvierError(f"{name} has the shape {array.shape}; the network's {size} inputs need [steps, {size}] or "
                           f"[steps, samples, {size}]")
    if array.dtype.kind not in "biu" or not array.size:
        raise RanvierError(f"{name}: {array.dtype} of shape {array.shape}; spikes are whole numbers, and there must be some steps")
    most = (1 << network.spike_bits) - 1
    if array.min() < 0 or array.max() > most:
        raise RanvierError(f"{name} reach from {int(array.min())} to {int(array.max())}; a spike of this network counts 0 to {most}: "
                           "encode without negative spikes, and no more of them in a step")
    given = {key: network.parameter(inputs, key) for key in ("theta", "v_init", "bias")}
    if np.any(given["theta"] != 1) or np.any(given["v_init"] != 0) or np.any(given["bias"] != 0):
        raise RanvierError(f"{name}: the network's inputs make spikes of values themselves (theta {int(given['theta'].max())}); give it "
                           "the values, or a network whose inputs have theta 1")
    labels = None
    if "labels.npy" in archive.names:
        labels = read_labels(archive.array("labels.npy"), array.shape[1], f"{shown(path)}: labels")
    values = np.ascontiguousarray(array[:, :limit].swapaxes(0, 1).astype(np.uint8 if network.input_bits <= 8 else np.uint16))
    return Spikes(values, None if labels is None else labels[:limit])
