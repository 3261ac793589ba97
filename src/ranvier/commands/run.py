"""`ranvier run` and `ranvier generate`: files in, figures or files out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..convert.samples import input_values, range_note
from ..device.result import quantised
from ..files.folder import result_folder
from ..files.input_mapping import input_mapping_of
from ..files.labels import Labels
from ..files.network import load_network
from ..files.safe import shown, write_json
from ..files.samples import load_samples
from ..files.spikes import has_spikes, load_spikes
from ..mapping.choose import choose_fabric
from ..mapping.mapper import map_network
from ..mapping.size import tailor_size
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.counters import Counts
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.placement import Placement
from ..model.network.network import Network
from ..model.run.golden import run_golden
from ..progress import bar, waiting
from ..runs import inputs_of, run_golden_set, run_rtl_set, semantics_of, the_readout
from ..sim.verilate import build_library
from .answers import Answers, clamp_notes, clamped_samples, save_answers
from .convert import as_options
from .device import DeviceRun, figures, named_from, run_on_device

__all__ = ["RUN_FILES", "generate", "run_samples", "verify_line", "verify_networks"]

#: What ``run -o`` writes.
RUN_FILES = frozenset({"report.json", "readouts.npz", "mismatch"})
_DEFAULT_STEPS = 4


def run_samples(*arguments: Any, output: Path | None = None, **options: Any) -> dict[str, Any]:
    """`_run_samples`, with an ``output`` that appears whole at the end or not at all."""
    if output is None:
        return _run_samples(*arguments, **options)
    with result_folder(output, RUN_FILES.issuperset) as folder:
        return _run_samples(*arguments, output=folder, shown_as=output, **options)


def _run_samples(path: Path, backend: str, samples_path: Path, ticks: int | None, limit: int | None, *, compare: bool = False,
                 cores: int | None = None, lanes: int | None = None, tailored: bool = False, pixel_bits: int | None = None,
                 baud: int | None = None, fault: bool = False, output: Path | None = None, shown_as: Path | None = None,
                 samples_key: str | None = None, labels_key: str | None = None) -> dict[str, Any]:
    """Run samples from a file through a network from a file; the report, which also goes into ``output``.

    ``backend`` is ``golden:`` (the model), ``fabric:`` (the compiled fabric, every membrane of it), or a device: ``rtl:`` or
    ``serial:PORT``. The fabric is of the standard form unless it is ``tailored``, which is to choose cores and lanes that are not given.
    """
    network = load_network(path)
    if len(network.inputs) != 1:
        raise RanvierError(f"{path}: the network has {len(network.inputs)} input populations; samples can drive exactly one")
    given = _given(network, samples_path, limit, samples_key, labels_key, pixel_bits)
    samples, steps = given.values, _steps(network, given, samples_path, ticks)
    report: dict[str, Any] = {"network": shown(path), "backend": shown(backend), "ticks": steps, "samples": len(samples),
                              "semantics": semantics_of(network)}
    folder = output / "mismatch" if output else Path("ranvier-mismatch")
    if backend.startswith("serial:"):
        found, answers = run_on_device(backend, DeviceRun(network, samples, steps, pixel_bits, None, baud, compare, folder))
    else:
        try:
            fabric, sizing = _fabric(network, samples, steps, cores, lanes, tailored)
            placement = map_network(network, fabric)
            report |= sizing
        except RanvierError as error:
            if backend != "golden:":
                raise RanvierError(f"{path}: {error}") from error
            placement, unmapped = None, str(error)
        if placement is None:
            found, answers = _without_fabric(network, samples, steps, unmapped)
        elif backend == "golden:":
            found, answers = _on_model(placement, samples, steps)
        elif backend == "fabric:":
            found, answers = _on_fabric(placement, samples, steps, compare, fault, folder)
        else:
            found, answers = run_on_device(
                backend, DeviceRun(network, samples, steps, pixel_bits, placement.config, baud, compare, folder))
    report |= found
    said = Answers(network, answers, steps, given.labels)
    judged, notes = said.figures()
    notes = (*given.notes, *notes)
    report |= judged
    notes += tuple(report.pop("unmapped", ()))
    if report["counters"]["clamps"] and "mismatch" not in report:
        if "clamped_samples" not in report:
            report["clamped_samples"] = clamped_samples(network, samples, steps)
        notes += clamp_notes(network, report["clamped_samples"], len(samples), steps)
    if notes:
        report["notes"] = [as_options(note) for note in notes]
    if output is not None:
        report = named_from(report, output, shown_as or output)
        save_answers(output, said)
        write_json(output / "report.json", report)
    return report


@dataclass(frozen=True, eq=False)
class _Given:
    """What the file gives to the one input population: values (n, size), or (n, steps, size) where each step has its own."""

    values: Any
    labels: Labels | None
    notes: tuple[str, ...] = ()


def _given(network: Network, path: Path, limit: int | None, samples_key: str | None, labels_key: str | None,
           pixel_bits: int | None) -> _Given:
    if samples_key in (None, "spikes") and has_spikes(path):
        if labels_key not in (None, "labels") or pixel_bits is not None:
            raise RanvierError(f"{shown(path)}: it has spikes, whose labels are 'labels'; leave --labels and --pixel-bits out")
        spikes = load_spikes(path, network, limit)
        return _Given(spikes.values, spikes.labels)
    loaded = load_samples(path, network.inputs[0].size, samples_key=samples_key, labels_key=labels_key, limit=limit)
    mapping = input_mapping_of(network)
    values = quantised(network, input_values(loaded, mapping, network.input_bits), pixel_bits)
    return _Given(values, loaded.labels, tuple(range_note(loaded, mapping, network.input_bits)))


def _steps(network: Network, given: _Given, path: Path, ticks: int | None) -> int:
    """Those of the file, of --ticks, or of the network's conversion."""
    if given.values.ndim == 3:
        steps = int(given.values.shape[1])
        if ticks not in (None, steps):
            raise RanvierError(f"{shown(path)}: its spikes have {steps} steps, --ticks is {ticks}; leave --ticks out")
        return steps
    suggested = network.info.get("steps")
    return ticks or (suggested if isinstance(suggested, int) and 0 < suggested < 1 << 16 else _DEFAULT_STEPS)


def _fabric(network: Network, samples: Any, steps: int, cores: int | None, lanes: int | None,
            tailored: bool) -> tuple[FabricConfig, dict[str, Any]]:
    """The fabric to run on, and what the report says of its choice."""
    if not tailored:
        return choose_fabric(network, cores or 2, lanes or 64), {}
    with waiting("tailor the fabric"):
        sizing = tailor_size(network, steps=steps, inputs=inputs_of(network, samples), cores=cores, lanes=lanes)
    return sizing.config, {"sizing": sizing.to_json()}


def _on_model(placement: Placement, samples: Any, steps: int) -> tuple[dict[str, Any], Any]:
    with bar("golden model", len(samples)) as update:
        golden = run_golden_set(placement, samples, steps, update, encoded=True)
    report = _stream_figures(placement, golden.cycles.counters, int(golden.cycles.clocks.sum()), len(samples))
    if report["counters"]["clamps"]:
        report["clamped_samples"] = clamped_samples(placement.network, samples, steps, golden.golden.clamps)
    return report, golden.readouts


def _without_fabric(network: Network, samples: Any, steps: int, unmapped: str) -> tuple[dict[str, Any], Any]:
    """The model of a network that no fabric holds: answers and clamps, but no clocks; ``unmapped`` says why."""
    with bar("golden model", len(samples)) as update:
        golden = run_golden(network, inputs_of(network, samples), steps, progress=update)
    clamps = sum(int(found.sum(dtype=np.int64)) for found in golden.clamps.values())
    report: dict[str, Any] = {"fabric": None, "counters": {"clamps": clamps},
                              "unmapped": [f"the model ran without a fabric, so there are no clocks: {unmapped}"]}
    if clamps:
        report["clamped_samples"] = clamped_samples(network, samples, steps, golden.clamps)
    return report, golden.readouts[the_readout(network)]


def _on_fabric(placement: Placement, samples: Any, steps: int, compare: bool, fault: bool, folder: Path) -> tuple[dict[str, Any], Any]:
    with waiting("compile the RTL (kept for the next run)"):
        build_library(placement.config)
    with bar("RTL against model" if compare else "RTL", len(samples)) as update:
        rtl = run_rtl_set(placement, samples, steps, compare=compare, folder=folder, fault=fault, progress=update, encoded=True)
    report = {"rtl_samples": rtl.samples, **_stream_figures(placement, rtl.counters, rtl.clocks, rtl.samples)}
    if compare:
        report["rtl_mismatches"] = rtl.mismatches
    return report | rtl.mismatch_report(), rtl.readouts


def _stream_figures(placement: Placement, counters: Counts, clocks: int, samples: int) -> dict[str, Any]:
    return {"fabric": placement.config.to_json(), "clocks_per_sample_stream": clocks / max(1, samples), **figures(counters)}


def verify_networks(count: int, seed: int, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Random networks, model against RTL: the figures, and a line for each mismatch."""
    from ..verify.campaign import run_campaign
    from ..verify.fabrics import covering_fabrics
    fabrics = covering_fabrics()
    with bar("random networks, model against RTL", count) as update:
        outcome = run_campaign(count, fabrics, seed=seed, folder=folder, progress=update)
    return outcome.to_json(), [f"seed {case}: {mismatch}; kept in {folder / f'seed-{case}'}" for case, mismatch in outcome.mismatches]


def verify_line(count: int, seed: int) -> dict[str, Any]:
    """Faults on the line of a simulated device: the tally."""
    from ..sim.verilate import build_device_library
    from ..verify.line_faults import FAULT_DEVICE, run_line_faults
    with waiting("compile the device (kept for the next run)"):
        build_device_library(FAULT_DEVICE)
    with bar("faults on the line", count) as update:
        return run_line_faults(count, seed=seed, progress=update).to_json()


def generate(path: Path | None, output: Path, board: str | None, cores: int | None, lanes: int | None, clock_mhz: float, baud: int,
             uart: bool) -> dict[str, Any]:
    """Write a device as Verilog; what was written."""
    from ..bitstream.verilog import generate_verilog
    from ..boards import find_board
    from .build import form
    network = None if path is None else load_network(path)
    base = FabricConfig() if board is None else find_board(board).fabric
    try:
        fabric = form(base, network, cores, lanes)
    except RanvierError as error:
        raise RanvierError(f"{path or 'generate'}: {error}") from error
    return generate_verilog(DeviceConfig(fabric, clock_hz=round(clock_mhz * 1e6), baud=baud, board="verilog"), output, uart=uart)
