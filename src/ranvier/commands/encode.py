"""`ranvier encode`: values, a sound, a text or events in, an npz of spikes and a raster out."""

from __future__ import annotations

import contextlib
import inspect
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import encoders
from ..encoders import audio, events
from ..files.archive import Archive, parse_npy
from ..files.labels import read_labels
from ..files.limits import MAX_CONTENT
from ..files.named import choose_arrays
from ..files.safe import read_bounded, shown, write_atomic
from ..files.table import TABLES, read_table
from ..model.errors import RanvierError

__all__ = ["ENCODERS", "EncodeOptions", "encode_file", "encode_rows", "option_names"]

Array = npt.NDArray[Any]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class EncodeOptions:
    """What the command line says."""

    encoder: str
    source: Path
    output: Path
    steps: int | None
    settings: Sequence[str]
    samples_key: str | None
    input_range: tuple[float, float] | None
    limit: int | None
    raster: Path | None
    sample: int


@dataclass(frozen=True)
class _Encoder:
    """``functions`` say with their keyword arguments what --set may name; ``run`` makes the arrays of the file and notes."""

    functions: tuple[Callable[..., Any], ...]
    run: Callable[[EncodeOptions, dict[str, Any]], tuple[dict[str, Array], list[str]]]
    #: Whether --steps says how long a value is held: it must, it cannot.
    steps: bool = False
    #: Whether the file holds samples, so that --samples, --limit, --input-range and --sample mean something.
    samples: bool = True


def _values(options: EncodeOptions) -> tuple[Array, Array | None]:
    """Values (samples, ...) or [steps, ...] of the file, and labels where it has them."""
    name, data = shown(options.source), None
    if options.source.suffix.lower() in TABLES:
        if options.samples_key is not None:
            raise RanvierError(f"{name}: a table has no arrays to choose from; leave --samples out")
        table = read_table(read_bounded(options.source), name, None, None, options.limit)
        array, data = table.values, None if table.labels is None else read_labels(table.labels, len(table.values), name)
    elif options.source.suffix.lower() != ".npz":
        if options.samples_key is not None:
            raise RanvierError(f"{name}: an npy file has one array only; leave --samples out")
        array = parse_npy(read_bounded(options.source), name)
    else:
        archive = Archive(options.source)
        size = max((math.prod(shape[1:]) for shape in _shapes(archive) if len(shape) > 1), default=1)
        samples, labels = choose_arrays(archive, size, options.samples_key, None)
        array = archive.array(f"{samples}.npy", rows=options.limit)
        data = None if labels is None else archive.array(f"{labels}.npy", rows=options.limit)
        name = f"{name}: {samples}"
    if not array.ndim or not array.size:
        raise RanvierError(f"{name}: an array of the shape {array.shape}; give values (samples, ...)")
    if options.limit is not None:
        array = array[:options.limit]
    return _ranged(array, options, name), data


def _shapes(archive: Archive) -> list[tuple[int, ...]]:
    """Shapes of the arrays of numbers; a file may hold others beside them, such as words about it."""
    found = []
    for entry in archive.names:
        with contextlib.suppress(RanvierError):
            found.append(archive.shape(entry))
    return found


def _ranged(array: Array, options: EncodeOptions, name: str) -> Array:
    """Values from their range to 0 to 1: --input-range, or 0 to 255 for integers; what codes changes keeps floats as they are."""
    if options.input_range is None and array.dtype.kind in "fb":
        return array if array.dtype == np.float32 else array.astype(np.float64)
    low, high = options.input_range or (0.0, 255.0)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RanvierError(f"encode: --input-range is {low:g} {high:g}; give two finite numbers, the lower one first")
    scaled = (array.astype(np.float64) - low) / (high - low)
    if options.encoder not in ("delta", "send_on_delta") and not (scaled.min() >= 0 and scaled.max() <= 1):
        raise RanvierError(f"{name}: values from {float(array.min()):g} to {float(array.max()):g} outside of {low:g} to {high:g}; "
                           "give their range with --input-range LOW HIGH")
    return scaled


def _held(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    """An encoder of values that are held for a window."""
    values, labels = _values(options)
    steps = options.steps or 0
    neurons = values.size * (settings.get("neurons", 8) if options.encoder == "population" else 1)
    if steps * neurons > MAX_CONTENT:
        raise RanvierError(f"encode: {steps} steps of {neurons} neurons are more than {MAX_CONTENT >> 20} MiB; use --limit or fewer steps")
    encoder = getattr(encoders, options.encoder)
    if settings.get("method") == "bernoulli":
        # Each sample is a window of one run, so that each has draws of its own.
        first = settings.pop("first_step", 0)
        spikes = np.stack([encoder(sample, steps, first_step=first + n * steps, **settings) for n, sample in enumerate(values)], axis=1)
    else:
        spikes = encoder(values, steps, **settings)
    return {"spikes": spikes, **({} if labels is None else {"labels": labels})}, []


def _changing(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    """An encoder of values that change in time."""
    values, _ = _values(options)
    return {"spikes": getattr(encoders, options.encoder)(values, **settings)}, []


def _front_end(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    sound = audio.load_wav(options.source)
    return {"spikes": audio.audio(sound.samples, **settings)}, list(sound.notes)


def _log_mel(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    sound = audio.load_wav(options.source, settings.pop("rate", 16000))
    return {"values": audio.log_mel(sound.samples, sound.rate, **settings)}, list(sound.notes)


def _text(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    content = read_bounded(options.source)
    if len(content) * settings.get("size", 1024) > MAX_CONTENT:
        raise RanvierError(f"a text of {len(content)} bytes and {settings.get('size', 1024)} neurons are more than {MAX_CONTENT >> 20} MiB "
                           "of spikes; cut the text, or use a smaller size")
    return {"spikes": encoders.text(content, **settings)}, []


def _events(options: EncodeOptions, settings: dict[str, Any]) -> tuple[dict[str, Array], list[str]]:
    recording = events.load_events(options.source, sensor_size=settings.pop("sensor_size", None))
    before = len(recording.events)
    if "filter_time" in settings:
        recording = events.denoise(recording, settings.pop("filter_time"))
    recording = events.downsample(recording, time_factor=settings.pop("time_factor", 1), spatial_factor=settings.pop("spatial_factor", 1))
    if settings.pop("merge_polarities", False):
        recording = events.merge_polarities(recording)
    dropped = before - len(recording.events)
    # A population's neurons are in the order (y, x, channel).
    frames = np.moveaxis(events.to_frame(recording, **settings), 1, 3)
    return {"spikes": frames}, [f"{dropped} of {before} events are dropped as noise"] if dropped else []


def _event_options(*, filter_time: float, time_factor: float, spatial_factor: float, merge_polarities: bool,
                   sensor_size: tuple[int, int, int]) -> None:
    """What `_events` takes besides the options of `to_frame`."""


def _log_mel_options(*, rate: int) -> None:
    """What `_log_mel` takes besides the options of `log_mel`."""


#: The encoders by the names of the command line.
ENCODERS: Mapping[str, _Encoder] = {
    "rate": _Encoder((encoders.rate,), _held, steps=True),
    "latency": _Encoder((encoders.latency,), _held, steps=True),
    "phase": _Encoder((encoders.phase,), _held, steps=True),
    "burst": _Encoder((encoders.burst,), _held, steps=True),
    "population": _Encoder((encoders.population,), _held, steps=True),
    "delta": _Encoder((encoders.delta,), _changing),
    "send_on_delta": _Encoder((encoders.send_on_delta,), _changing),
    "audio": _Encoder((audio.audio,), _front_end, samples=False),
    "log_mel": _Encoder((audio.log_mel, _log_mel_options), _log_mel, samples=False),
    "text": _Encoder((encoders.text,), _text, samples=False),
    "events": _Encoder((events.to_frame, _event_options), _events, samples=False),
}

#: Arguments that are given otherwise: the data themselves, --steps, and what no word can say.
_NO_OPTIONS = ("data", "steps", "samples", "content", "recording", "bank")


def option_names(encoder: str) -> dict[str, str]:
    """What --set may name for an encoder, and the type of each as the source writes it."""
    functions = ENCODERS[encoder].functions
    # The rate of log_mel is the file's own there, and what to resample to here.
    return {name: str(parameter.annotation) for function in functions for name, parameter in inspect.signature(function).parameters.items()
            if name not in _NO_OPTIONS}


def _setting(name: str, text: str, kind: str) -> Any:
    kinds: dict[str, tuple[str, Callable[[str], Any]]] = {
        "int": ("a whole number", int), "float": ("a number", float), "bool": ("yes or no", _truth), "str": ("a word", str),
        "tuple[int, int, int]": ("three whole numbers, as 34x34x2", _size)}
    meaning, parse = kinds[kind.removesuffix(" | None")]
    try:
        return parse(text)
    except (ValueError, KeyError):
        raise RanvierError(f"encode: --set {name}={text[:60]}: give {meaning}") from None


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[text.lower()]


def _size(text: str) -> tuple[int, int, int]:
    width, height, polarities = map(int, text.split("x"))
    return width, height, polarities


def _settings(options: EncodeOptions) -> dict[str, Any]:
    known, found = option_names(options.encoder), {}
    for given in options.settings:
        name, equals, text = given.partition("=")
        if not equals or name not in known:
            raise RanvierError(f"encode: --set {given[:60]}: {options.encoder} takes {', '.join(f'{key}=...' for key in known)}")
        if name in found:
            raise RanvierError(f"encode: --set {name} is given twice; keep one")
        found[name] = _setting(name, text, known[name])
    return found


def _check(options: EncodeOptions) -> None:
    encoder = ENCODERS[options.encoder]
    if encoder.steps and options.steps is None:
        raise RanvierError(f"encode: {options.encoder} needs --steps, how long each value is held")
    if not encoder.steps and options.steps is not None:
        raise RanvierError(f"encode: {options.encoder} takes its steps from the file; leave --steps out")
    given = {"--samples": options.samples_key, "--input-range": options.input_range, "--limit": options.limit}
    for name, value in given.items():
        if value is not None and not encoder.samples:
            raise RanvierError(f"encode: {options.encoder} reads no samples; leave {name} out")
    if options.sample and not encoder.steps:
        raise RanvierError(f"encode: {options.encoder} reads a single sample; leave --sample out")
    if options.raster is not None and options.raster.absolute() == options.output.absolute():
        raise RanvierError("encode: --output and --raster are the same file; name another")


def _picture(options: EncodeOptions, values: Array) -> bytes:
    from ..reports.encoded import raster_png
    about = ""
    if ENCODERS[options.encoder].steps:
        if not 0 <= options.sample < values.shape[1]:
            raise RanvierError(f"encode: --sample is {options.sample}; it must be 0 to {values.shape[1] - 1}, one of the samples")
        values, about = values[:, options.sample], f", sample {options.sample}"
    return raster_png(values.reshape(len(values), -1), f"{options.encoder}: {options.source.name}{about}")


def encode_file(options: EncodeOptions) -> dict[str, Any]:
    """Encode a file and write the npz, and the raster where one is asked for; what was made, as JSON. Raises `RanvierError`.

    Nothing is written where anything is wrong with the input.
    """
    _check(options)
    settings, source = _settings(options), shown(options.source)
    try:
        arrays, notes = ENCODERS[options.encoder].run(options, settings)
    except RanvierError as error:
        text = str(error)
        raise RanvierError(text if text.startswith((source, "encode:")) else f"{source}: {text}") from None
    name, values = next(iter(arrays.items()))
    picture = None if options.raster is None else _picture(options, values)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(options.output, buffer.getvalue())
    if picture is not None and options.raster is not None:
        write_atomic(options.raster, picture)
    report: dict[str, Any] = {"encoder": options.encoder, "input": str(options.source), "output": str(options.output), "array": name,
                              "shape": list(values.shape), "steps": len(values), "notes": notes}
    if name == "spikes":
        spikes = int(np.abs(values.astype(np.int64)).sum())
        report |= {"spikes": spikes, "spikes_per_step_and_neuron": spikes / values.size, "most": int(np.abs(values.astype(np.int64)).max())}
        if not spikes:
            notes.append("not a single spike came out")
    return report | ({} if options.raster is None else {"raster": str(options.raster)})


def encode_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The report as a table."""
    rows = [(f"shape of '{report['array']}', time first", " x ".join(map(str, report["shape"])))]
    if "spikes" in report:
        rows += [("spikes", f"{report['spikes']:,}"), ("spikes a step and neuron", f"{report['spikes_per_step_and_neuron']:.4f}"),
                 ("most in a step of a neuron", str(report["most"]))]
    return [*rows, ("written", report["output"]), *([("raster", report["raster"])] if "raster" in report else [])]
