"""The main job: handwritten digits from an ONNX file to spikes, in the model and in the RTL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..convert.convert import convert
from ..files.folder import result_folder
from ..files.network import save_network
from ..files.safe import write_json
from ..files.samples import load_pictures
from ..frontends.conventional import Conventional
from ..frontends.onnx import load_onnx
from ..mapping.choose import choose_fabric
from ..mapping.mapper import map_network
from ..model.errors import RanvierError
from ..model.fabric.cycles import predict_cycles
from ..model.fabric.layout import Counter
from ..model.fabric.placement import Placement
from ..model.network.network import Network
from ..model.run.golden import run_golden
from ..progress import bar, share, waiting
from ..reports.figures import draw_membranes, draw_raster
from ..runs import classify, inputs_of, run_golden_set, run_rtl_set, semantics_of, weight_limit_share
from ..sim.verilate import build_library
from .device import named_from

__all__ = ["DEMO_FILES", "TICKS", "find_digits", "run_demo"]

#: What ``demo -o`` writes.
DEMO_FILES = frozenset({"report.json", "digits.ranvier", "raster.png", "membranes.png", "mismatch"})
#: Steps for which the accuracy is reported, and those of the run that is compared and counted.
TICKS = (1, 2, 4, 8, 16)
_STEPS = 4
#: Pictures that are also run one at a time, for the latency.
_ALONE = 20


@dataclass(frozen=True)
class _Digits:
    """The pictures that ship with the project."""

    onnx: Path
    pictures: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    calibration: npt.NDArray[Any]


def find_digits() -> Path:
    """The example's folder, in the checkout that this package runs from."""
    for parent in Path(__file__).resolve().parents:
        folder = parent / "examples" / "digits"
        if (folder / "digits.onnx").is_file():
            return folder
    raise RanvierError("demo: examples/digits is not beside this package; run it from a checkout, or say --digits FOLDER")


def run_demo(output: Path, **options: Any) -> dict[str, Any]:
    """`_run_demo`, with an ``output`` that appears whole at the end or not at all."""
    with result_folder(output, DEMO_FILES.issuperset) as folder:
        return _run_demo(folder, output, **options)


def _run_demo(output: Path, shown_as: Path, *, digits: Path | None = None, pictures: int = 1000, cores: int = 2, lanes: int = 64,
              fault: bool = False) -> dict[str, Any]:
    """Run every step, write ``report.json``, the network and two pictures into ``output``; the report.

    A mismatch is in the report; the reproducer is then in ``output/mismatch``.
    """
    data = _load(digits or find_digits())
    conventional = load_onnx(data.onnx)
    with share("convert and quantise") as update:
        conversion = convert(conventional, steps=_STEPS, calibration=data.calibration, weight_bits=4, progress=update)
    network = conversion.network
    save_network(network, output / "digits.ranvier")
    placement = map_network(network, choose_fabric(network, cores, lanes))
    report: dict[str, Any] = {
        "network": data.onnx.name, "samples": len(data.pictures), "ticks": _STEPS,
        "weight_bits": network.weight_bits, "state_bits": network.state_bits,
        "semantics": semantics_of(network),
        "fabric": placement.config.to_json(), "conversion": conversion.report.to_json(),
        "ann_accuracy": _ann_accuracy(conventional, data),
    }
    report |= _model_figures(placement, data)
    report |= _rtl_figures(placement, data, pictures, fault, output / "mismatch")
    _draw(network, data, output)
    report = named_from(report, output, shown_as)
    write_json(output / "report.json", report)
    return report


def _load(folder: Path) -> _Digits:
    onnx = folder / "digits.onnx"
    size = load_onnx(onnx).input_size
    pictures, labels = load_pictures(folder / "mnist_test.npz", size)
    calibration, _ = load_pictures(folder / "calibration.npz", size)
    if labels is None:
        raise RanvierError(f"{folder / 'mnist_test.npz'}: there are no labels")
    return _Digits(onnx, pictures, labels, calibration)


def _ann_accuracy(conventional: Conventional, data: _Digits) -> float:
    return float(np.mean(classify(conventional.forward(data.pictures / 255)) == data.labels))


def _model_figures(placement: Placement, data: _Digits) -> dict[str, Any]:
    """Accuracy for each number of ticks; spikes, operations and clocks for the run that is compared."""
    found: dict[str, Any] = {"snn_accuracy": {}}
    count = len(data.pictures)
    for steps in TICKS:
        with bar(f"golden model, {steps} ticks", count) as update:
            result = run_golden_set(placement, data.pictures, steps, update)
        found["snn_accuracy"][str(steps)] = float(np.mean(classify(result.readouts) == data.labels))
        if steps != _STEPS:
            continue
        alone = predict_cycles(placement, result.golden.popcounts, result.golden.clamps, steps, stream=False)
        counters = result.cycles.counters.sum(axis=0)
        inputs = {p.name for p in placement.network.inputs}
        spikes = {name: float(counts.sum() / count) for name, counts in result.golden.popcounts.items()}
        found |= {
            "clocks_per_sample": float(alone.clocks.sum() / count),
            "clocks_per_sample_stream": float(result.cycles.clocks.sum() / count),
            "clocks_per_tick": float(result.cycles.clocks.mean()),
            "ticks_per_sample": int(alone.clocks.shape[1]),
            "spikes_per_sample": {"input": sum(v for n, v in spikes.items() if n in inputs),
                                   "hidden": sum(v for n, v in spikes.items() if n not in inputs)},
            "synaptic_operations_per_sample": float(counters[Counter.SYNOPS] / count),
            "weight_words_on_busiest_core": float(result.cycles.counters[:, Counter.WEIGHT_WORDS].max() / count),
            "weight_limit_share": weight_limit_share(result.cycles.counters),
            "clamps": int(counters[Counter.CLAMPS]),
        }
    return found


def _rtl_figures(placement: Placement, data: _Digits, pictures: int, fault: bool, folder: Path) -> dict[str, Any]:
    """The RTL beside the model: a stream of pictures, and some alone."""
    with waiting("compile the RTL (kept for the next run)"):
        build_library(placement.config)
    chosen = data.pictures[:pictures]
    with bar("RTL against model, stream", len(chosen)) as update:
        stream = run_rtl_set(placement, chosen, _STEPS, folder=folder, fault=fault, progress=update)
    alone = stream
    if stream.mismatch is None:
        with bar("RTL against model, one picture at a time", min(_ALONE, pictures)) as update:
            alone = run_rtl_set(placement, chosen[:_ALONE], _STEPS, stream=False, folder=folder, fault=fault, progress=update)
    found = {"rtl_samples": stream.samples, "rtl_mismatches": stream.mismatches or alone.mismatches,
             "rtl_clocks": {"stream": stream.clocks, "samples_alone": alone.samples, "alone": alone.clocks}}
    return found | (stream.mismatch_report() or alone.mismatch_report())


def _draw(network: Network, data: _Digits, output: Path) -> None:
    """Raster and membranes of the first picture."""
    run = run_golden(network, inputs_of(network, data.pictures[:1]), 8, record=True, endless=True)
    title = f"test picture 0, a {data.labels[0]}, 8 ticks"
    draw_raster(network, run, title, output / "raster.png")
    draw_membranes(network, run, title, output / "membranes.png")
