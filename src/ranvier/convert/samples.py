"""Samples as the input neurons take them, and whether what they show agrees with what was declared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files.input_mapping import InputMapping, input_mapping_of
from ..files.samples import Pixels, Samples, quantise_samples
from ..frontends.conventional import Answer, Conventional, Floats
from ..model.errors import RanvierError
from ..model.network.network import Network
from .answer import judge

__all__ = ["as_inputs", "as_samples", "better_inputs", "input_values", "range_note"]

#: Samples whose largest value is this share of the range, or less, may have been meant for another range.
_FAINT = 0.25
#: Accuracy that another reading of the inputs must add to be worth a word, also in standard errors of the first.
_WORTH, _ERRORS = 0.01, 2.0


def as_samples(values: npt.ArrayLike | Samples, labels: npt.ArrayLike | None, size: int) -> Samples:
    """Arrays in memory as samples, as if a file had held them. Raises `RanvierError`."""
    if isinstance(values, Samples):
        found, named = values, values.labels if labels is None else _labels(labels, len(values.values))
        if found.values.shape[1] != size:
            raise RanvierError(f"{found.source}: {found.values.shape[1]} values a sample; the network needs {size}")
        return Samples(found.values, named, found.low, found.high, found.kind, found.source, found.labels_source)
    array = np.asarray(values)
    kind = {"b": "bool", "i": "integer", "u": "integer", "f": "float"}.get(array.dtype.kind)
    if kind is None or array.ndim < 2 or math.prod(array.shape[1:]) != size or not len(array):
        raise RanvierError(f"calibration: {array.dtype} of shape {array.shape}; it must be numbers of shape (n, {size}): reshape it")
    array = array.reshape(len(array), size)
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RanvierError("calibration: a value is NaN or infinite; replace it")
    return Samples(array, None if labels is None else _labels(labels, len(array)), low, high, kind, "calibration")


def _labels(labels: npt.ArrayLike, count: int) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    array = np.asarray(labels)
    if array.dtype.kind not in "biuf" or array.ndim < 1 or len(array) != count:
        raise RanvierError(f"labels: {array.dtype} of shape {array.shape}; they must be {count} numbers, one for each sample")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind != "f":
        return array.astype(np.int64)
    if not np.all(np.isfinite(array)):
        raise RanvierError("labels: one is NaN or infinite; replace it")
    whole = np.rint(array)
    return whole.astype(np.int64) if np.all(whole == array) and np.all(np.abs(whole) < 1 << 31) else array.astype(np.float64)


def input_values(samples: Samples, mapping: InputMapping, input_bits: int, limit: int | None = None) -> Pixels:
    """The samples as integers for the input neurons, (n, size) in their order. Raises `RanvierError` where they leave their range."""
    low, high = mapping.input_range or samples.natural_range(input_bits)
    return mapping.ordered(_quantised(samples.values[:limit], low, high, input_bits, samples.source))


def _quantised(values: npt.NDArray[Any], low: float, high: float, input_bits: int, owner: str) -> Pixels:
    """`quantise_samples`, whose advice names the command line's options, in Python's words."""
    try:
        return quantise_samples(values, low, high, input_bits, owner=owner)
    except RanvierError as error:
        text = str(error).replace("--input-range LOW HIGH", "input_range=(LOW, HIGH)").replace("--mean and --std", "mean= and std=")
        raise RanvierError(text) from None


def as_inputs(network: Network, samples: npt.ArrayLike) -> npt.NDArray[Any]:
    """Samples in memory as the one input population takes them: floats and bool as in files, integers as they are.

    ``samples`` is (n, size), (n, steps, size), or (n, ...) of ``size`` values each. Values lie in the range that the network was
    converted with.
    """
    array = np.asarray(samples)
    size = network.inputs[0].size if len(network.inputs) == 1 else 0
    if size and array.ndim > 2 and array.shape[-1] != size and math.prod(array.shape[1:]) == size:
        array = array.reshape(len(array), size)
    mapping = input_mapping_of(network)
    if mapping.channels_first is not None and array.ndim and array.shape[-1] != size:
        return array    # refused where it is used
    if mapping.input_range is None and array.dtype.kind not in "bf":
        return mapping.ordered(array)
    low, high = mapping.input_range or (0.0, 1.0)
    return mapping.ordered(_quantised(array, low, high, network.input_bits, "samples"))


def range_note(samples: Samples, mapping: InputMapping, input_bits: int) -> tuple[str, ...]:
    """A sentence if the samples fill so little of their range that they may have been meant for another one."""
    low, high = mapping.input_range or samples.natural_range(input_bits)
    if samples.kind == "bool" or samples.high - low > _FAINT * (high - low):
        return ()
    shown = f"{samples.source}: the values go from {samples.low:g} to {samples.high:g}, of a range of {low:g} to {high:g}"
    if samples.high <= low:
        return (f"{shown}: every sample is empty",)
    how = "declared" if mapping.input_range else "that " + ("integers" if samples.kind == "integer" else "floats") + " have"
    return (f"{shown} {how}; if the network was trained on 0 to {samples.high:g}, say input_range=(0, {samples.high:g})",)


def better_inputs(conventional: Conventional, answer: Answer, samples: Samples, mapping: InputMapping, input_bits: int,
                  limit: int) -> tuple[str, ...]:
    """A sentence if the labels say that the network was trained on the samples in another form.

    ``conventional`` is the network as its file has it. Its accuracy is measured with the forms that people use.
    """
    values = samples.values[:limit].astype(np.float64)
    labels = None if samples.labels is None else samples.labels[:limit]

    def accuracy(tried: InputMapping) -> float:
        low, high = tried.input_range or samples.natural_range(input_bits)
        slope, offset = tried.affine(conventional.input_size)
        figures, _ = judge(answer, conventional.forward((values - low) / (high - low) * slope + offset), labels)
        return figures.get("accuracy", 0.0)
    now = accuracy(mapping)
    enough = now + max(_WORTH, _ERRORS * math.sqrt(now * (1 - now) / len(values)))
    best, words = 0.0, ""
    for tried, text in _forms(samples, values, mapping, input_bits):
        found = accuracy(tried)
        if found > best:
            best, words = found, text
    if best < enough:
        return ()
    return (f"the conventional network finds {100 * now:.2f} % of the labels, and {100 * best:.2f} % with {words}: "
            "it may have been trained on such inputs",)


def _forms(samples: Samples, values: Floats, mapping: InputMapping, input_bits: int) -> Iterator[tuple[InputMapping, str]]:
    """Readings of the samples that people train on, and the arguments that give them; simple ones first."""
    if replace(mapping, channels_first=None) != InputMapping(mapping.input_range):
        return
    natural = samples.natural_range(input_bits)
    ranges = [mapping.input_range]
    if mapping.input_range is None and samples.low >= 0 and 0 < samples.high <= _FAINT * natural[1]:
        ranges.insert(0, (0.0, samples.high))
    for given in ranges:
        low, high = given or (0.0, 1.0)
        said = "" if given == mapping.input_range else f"input_range=({low:g}, {high:g}) "
        units = (values - natural[0]) / (natural[1] - natural[0]) if given is None else values
        if said:
            yield InputMapping(given), said.strip()
            if high != 1:
                yield InputMapping(given, std=(high,)), f"{said}std={high:g}"
        mean, std = float(units.mean()), float(units.std())
        if std > 0:
            yield InputMapping(given, (mean,), (std,)), f"{said}mean={mean:.4g} std={std:.4g} (those of the samples)"
            yield InputMapping(given, ((low + high) / 2,), ((high - low) / 2,)), f"{said}mean={(low + high) / 2:g} std={(high - low) / 2:g}"
            means, stds = units.mean(axis=0), units.std(axis=0)
            stds = np.where(stds > 0, stds, 1.0)
            yield (InputMapping(given, tuple(means), tuple(stds)),
                   f"{said}mean and std those of each value over the samples ({_few(means)} and {_few(stds)})")
        if given is None:
            yield InputMapping(None, std=(1 / 255,)), "std=0.00392157 (values of 0 to 255)"


def _few(values: Sequence[float] | Floats) -> str:
    return ",".join(f"{float(value):.3g}" for value in values[:3]) + (" ..." if len(values) > 3 else "")
