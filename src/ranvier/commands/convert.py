"""`ranvier convert`: an ONNX file and calibration samples in, a network and what it cost out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..convert.convert import Conversion, convert
from ..convert.report import ConversionReport
from ..files.network import save_network
from ..files.samples import load_samples
from ..frontends.onnx import load_onnx
from ..model.errors import RanvierError
from ..progress import share

__all__ = ["ConvertOptions", "as_options", "convert_file", "conversion_json", "numbers"]

#: Arguments of `convert`, and the options that give them.
_OPTIONS = {"steps": "ticks", "weight_bits": "weight-bits", "state_bits": "state-bits", "spike_bits": "spike-bits",
            "percentile": "percentile", "answer": "answer", "input_range": "input-range", "mean": "mean", "std": "std",
            "calibration": "calibrate"}
_ARGUMENT = re.compile(rf"\b({'|'.join(_OPTIONS)})=(\([^)]*\)|[^\s,;:)]*)")


@dataclass(frozen=True)
class ConvertOptions:
    """What the command line says; names as in `convert`."""

    head: str | None
    calibrate: Path | None
    samples_key: str | None
    labels_key: str | None
    steps: int
    weight_bits: int
    state_bits: int
    percentile: float
    input_range: tuple[float, float] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    answer: str | None
    spike_bits: int = 1


def convert_file(model: Path, output: Path, options: ConvertOptions) -> Conversion:
    """Convert ``model`` into ``output``. Raises `RanvierError`, and then writes nothing."""
    conventional = load_onnx(model, options.head)
    if options.calibrate is None and (options.samples_key or options.labels_key):
        raise RanvierError("convert: --samples and --labels name what is in the file of --calibrate; give that file too")
    samples = None if options.calibrate is None else load_samples(
        options.calibrate, conventional.input_size, samples_key=options.samples_key, labels_key=options.labels_key)
    try:
        with share("convert and quantise") as update:
            conversion = convert(
                conventional, steps=options.steps, calibration=samples, weight_bits=options.weight_bits, state_bits=options.state_bits,
                percentile=options.percentile, input_range=options.input_range, mean=options.mean, std=options.std,
                answer=options.answer, spike_bits=options.spike_bits, progress=update)
    except RanvierError as error:
        text = as_options(str(error))
        raise RanvierError(text if options.calibrate and text.startswith(str(options.calibrate)) else f"{model}: {text}") from error
    save_network(conversion.network, output)
    return conversion


def as_options(text: str) -> str:
    """``text`` with the arguments of `convert` as the command line's options: ``steps=16`` becomes ``--ticks 16``.

    Words like "more weight_bits" become "more --weight-bits" as well.
    """
    def option(match: re.Match[str]) -> str:
        value = match[2].strip("()").replace(", ", " ")
        return f"--{_OPTIONS[match[1]]}{' ' if value else ''}{value}"
    text = _ARGUMENT.sub(option, text)
    for name in ("weight_bits", "state_bits"):
        text = re.sub(rf"(more|or|fewer) {name}\b", rf"\1 --{_OPTIONS[name]}", text)
    return text.replace(" more steps", " more ticks").replace(" fewer steps", " fewer ticks")


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers with commas between them. Raises `RanvierError`."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RanvierError(f"convert: --{name} is {text[:60]!r}; it must be a number, or several with commas between them") from None


def conversion_json(conversion: Conversion, output: Path) -> dict[str, Any]:
    """The report of the command, its sentences in the command line's words."""
    report = conversion.report
    return {"network": str(output), **report.to_json(), "notes": [as_options(note) for note in report.notes],
            "advice_lines": [as_options(line) for line in report.advice_lines()]}


def accuracy_rows(report: ConversionReport) -> list[tuple[str, str]]:
    """What is left of the network's accuracy; without samples nothing is known of it."""
    if report.accuracy is None:
        return []
    return [*report.accuracy.rows(), ("calibration samples used", f"{report.accuracy.samples:,}")]
