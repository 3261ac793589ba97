"""Which arrays of an npz file are the samples and the labels, by names that people give, and by shape where that leaves no doubt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..model.errors import RanvierError
from .archive import Archive, Array
from .labels import is_one_hot

__all__ = ["choose_arrays"]

#: Samples that are meant whatever else is in the file.
_FIRST = ("pictures", "samples")
#: Other names of samples; of a file that has more than one of them, the user says which.
_SAMPLES = ("X", "x", "x_test", "X_test", "images", "test_images", "inputs", "data")
_LABELS = ("labels", "y", "Y", "targets", "target", "y_test", "test_labels")
#: Labels by the name of their samples, where it is not in its place a y for an x, or labels for images.
_PARTNERS = {"images": ("targets", "target"), "data": ("target", "targets"), "inputs": ("targets", "target"), "X": ("Y",)}


def choose_arrays(archive: Archive, size: int, samples_key: str | None, labels_key: str | None) -> tuple[str, str | None]:
    """Names of the arrays of samples and of labels (None: there are no labels). Raises `RanvierError`."""
    names = [name.removesuffix(".npy") for name in archive.names if name.endswith(".npy")]
    for key, option in ((samples_key, "--samples"), (labels_key, "--labels")):
        if key is not None and key not in names:
            raise RanvierError(f"{archive.path}: {option} {key}: there is no array of that name; there are {_list(names)}")
    samples = samples_key if samples_key is not None else _samples(archive, [name for name in names if name != labels_key], size)
    if labels_key is not None:
        return samples, labels_key
    return samples, _labels(archive, names, samples)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "none"


def _samples(archive: Archive, names: Sequence[str], size: int) -> str:
    others = [name for name in names if name != "labels"]
    for name in _FIRST:
        if name in names:
            return name
    if len(others) == 1:
        return others[0]
    known = [name for name in _SAMPLES if name in names]
    if len(known) == 1:
        return known[0]
    if len(known) > 1:
        raise RanvierError(f"{archive.path}: {', '.join(known)}: each could be the samples; name one with --samples")
    others = [name for name in others if name not in _LABELS]
    if len(others) == 1:
        return others[0]
    fitting = [name for name in others if _fits(archive, name, size)]
    if len(fitting) == 1:
        return fitting[0]
    if "arr_0" in fitting:
        return "arr_0"
    found = f"{_list(fitting)} fit a network of {size} inputs" if fitting else f"none of {_list(names)} has shape (n, {size})"
    raise RanvierError(f"{archive.path}: samples: no array of a known name, and {found}; name one with --samples, "
                       "or save them as numpy.savez(file, samples=..., labels=...)")


def _labels(archive: Archive, names: Sequence[str], samples: str) -> str | None:
    partner = re.sub(r"^[xX](?=$|_)", "y", samples)
    partner = re.sub(r"images|samples|inputs|pictures|data", "labels", partner)
    for name in (partner, *_PARTNERS.get(samples, ()), "labels"):
        if name in names and name != samples:
            return name
    others = [name for name in names if name != samples]
    known = [name for name in _LABELS if name in others]
    named = samples in (*_FIRST, *_SAMPLES)
    if len(known) == 1 and not named:
        return known[0]
    if named or len(others) != 1:
        return None
    # Two arrays without known names: the other one has the labels if it can have.
    array, count = _array(archive, others[0]), archive.shape(f"{samples}.npy")[:1]
    fits = array is not None and (array.shape in (count, (*count, 1)) or array.shape[:1] == count and is_one_hot(array))
    return others[0] if fits else None


def _array(archive: Archive, name: str) -> Array | None:
    """An array, or None where it is not one of numbers, and so neither samples nor labels."""
    try:
        array = archive.array(f"{name}.npy")
    except RanvierError:
        return None
    return array if array.ndim else None


def _fits(archive: Archive, name: str, size: int) -> bool:
    try:
        shape = archive.shape(f"{name}.npy")
    except RanvierError:
        return False
    return len(shape) >= 2 and shape[0] > 0 and math.prod(shape[1:]) == size
