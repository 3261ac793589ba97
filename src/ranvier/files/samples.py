"""Pictures from files, as integers for a network's inputs."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.network.network import Network
from .archive import Archive, Array

__all__ = ["Pixels", "load_pictures"]

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def load_pictures(path: str | os.PathLike[str], network: Network | int,
                  input_bits: int = 8) -> tuple[Pixels, npt.NDArray[np.int64] | None]:
    """Pictures for a network's inputs, and their labels where the file has them.

    ``path`` is an npz file. The pictures are its array ``pictures``, or its only array besides ``labels``: shape
    (n, size), or with more dimensions that flatten to it; integers 0 to 2**input_bits - 1, or floats in 0 to 1, which
    are scaled to that range and rounded. ``network`` is the network (all its input populations, in its order) or the
    number of inputs, then with ``input_bits``.

    Returns pictures (n, size), uint8 up to 8 input bits and else uint16, and labels (n,), int64, or None.
    """
    if isinstance(network, Network):
        size, input_bits = sum(p.size for p in network.inputs), network.input_bits
    else:
        size = network
    archive = Archive(path)
    arrays = [name for name in archive.names if name.endswith(".npy") and name != "labels.npy"]
    if "pictures.npy" in arrays:
        name = "pictures.npy"
    elif len(arrays) == 1:
        name = arrays[0]
    else:
        found = ", ".join(n.removesuffix(".npy") for n in arrays[:8]) or "none"
        raise RanvierError(
            f"{archive.path}: pictures: no array of that name (there: {found}); "
            "save them as numpy.savez(file, pictures=...)")
    pictures = _pixels(archive.array(name), size, (1 << input_bits) - 1, f"{archive.path}: {name.removesuffix('.npy')}")
    if "labels.npy" not in archive.names:
        return pictures, None
    labels = archive.array("labels.npy")
    if labels.dtype.kind not in "iu" or labels.shape != (len(pictures),):
        raise RanvierError(
            f"{archive.path}: labels: they must be {len(pictures)} integers, one for each picture; "
            "correct or remove them")
    if int(labels.min()) < 0 or int(labels.max()) >= 1 << 31:
        raise RanvierError(f"{archive.path}: labels: a label is not a class number from 0; correct or remove them")
    return pictures, labels.astype(np.int64)


def _pixels(array: Array, size: int, top: int, owner: str) -> Pixels:
    """``array`` as integers 0 to ``top`` of shape (n, size); anything that does not fit is refused, not clipped."""
    if array.ndim < 2 or math.prod(array.shape[1:]) != size or len(array) == 0:
        raise RanvierError(
            f"{owner}: shape {array.shape}; the network needs (n, {size}) with n at least 1: reshape them")
    flat = array.reshape(len(array), size)
    if array.dtype.kind == "f":
        # One extremum says it all: NaN and infinity carry through to it.
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RanvierError(f"{owner}: a value is NaN or infinite; replace it")
        if low < 0 or high > 1:
            raise RanvierError(
                f"{owner}: floats from {low:.6g} to {high:.6g}; they must lie in 0 to 1: divide by the largest value")
        flat = np.rint(flat.astype(np.float64) * top)
    elif array.dtype.kind not in "iu":
        raise RanvierError(f"{owner}: type {array.dtype}; they must be integers or floats: convert them")
    elif int(flat.min()) < 0 or int(flat.max()) > top:
        raise RanvierError(
            f"{owner}: values from {flat.min()} to {flat.max()}; the inputs take 0 to {top}: rescale them")
    return flat.astype(np.uint8) if top < 256 else flat.astype(np.uint16)
