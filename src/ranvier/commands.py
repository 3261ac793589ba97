"""`ranvier run` and `ranvier generate`: files in, figures or files out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from .files import load_network, load_pictures, write_atomic, write_json
from .mapper import map_network
from .model.config import FabricConfig
from .model.counters import Counts
from .model.device_config import DeviceConfig
from .model.errors import RanvierError
from .model.layout import Counter
from .progress import bar, waiting
from .runs import choose_fabric, classify, run_golden_set, run_rtl_set, semantics_of, weight_limit_share
from .sim.verilate import build_library

__all__ = ["generate", "run_pictures", "verify_line", "verify_networks"]

_DEFAULT_STEPS = 4


def run_pictures(path: Path, backend: str, pictures_path: Path, ticks: int | None, limit: int | None, compare: bool, cores: int,
                 lanes: int, fault: bool, output: Path | None) -> dict[str, Any]:
    """Run pictures from a file through a network from a file; the report, which also goes into ``output``."""
    network = load_network(path)
    if len(network.inputs) != 1:
        raise RanvierError(f"{path}: the network has {len(network.inputs)} input populations; pictures can drive exactly one")
    pictures, labels = load_pictures(pictures_path, network)
    pictures, labels = pictures[:limit], None if labels is None else labels[:limit]
    suggested = network.info.get("steps")
    steps = ticks or (suggested if isinstance(suggested, int) and 0 < suggested < 1 << 16 else _DEFAULT_STEPS)
    try:
        placement = map_network(network, choose_fabric(network, cores, lanes))
    except RanvierError as error:
        raise RanvierError(f"{path}: {error}") from error
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)    # before the work, so that a folder that cannot be made costs nothing
    report: dict[str, Any] = {"network": str(path), "backend": backend, "ticks": steps, "pictures": len(pictures),
                              "semantics": semantics_of(network),
                              "fabric": placement.config.to_json()}
    if backend == "golden:":
        with bar("golden model", len(pictures)) as update:
            golden = run_golden_set(placement, pictures, steps, update)
        readouts: Any = golden.readouts
        report |= _figures(golden.cycles.counters, int(golden.cycles.clocks.sum()), len(pictures))
    else:
        with waiting("compile the RTL (kept for the next run)"):
            build_library(placement.config)
        folder = output / "mismatch" if output else Path("ranvier-mismatch")
        with bar("RTL against model" if compare else "RTL", len(pictures)) as update:
            rtl = run_rtl_set(placement, pictures, steps, compare=compare, folder=folder, fault=fault, progress=update)
        readouts = rtl.readouts
        report |= {"rtl_pictures": rtl.pictures, **_figures(rtl.counters, rtl.clocks, rtl.pictures)}
        if compare:
            report["rtl_mismatches"] = rtl.mismatches
        report |= rtl.mismatch_report()
    if labels is not None and len(readouts) == len(labels):
        report["accuracy"] = float(np.mean(classify(readouts) == labels))
    if output is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, readouts=readouts, classes=classify(readouts) if len(readouts) else np.zeros(0, np.int64))
        write_atomic(output / "readouts.npz", buffer.getvalue())
        write_json(output / "report.json", report)
    return report


def _figures(counters: Counts, clocks: int, pictures: int) -> dict[str, Any]:
    total = counters.sum(axis=0)
    return {"clocks_per_picture_stream": clocks / max(1, pictures), "weight_limit_share": weight_limit_share(counters),
            "counters": {counter.name.lower(): int(total[counter]) for counter in Counter}}


def verify_networks(count: int, seed: int, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Random networks, model against RTL: the figures, and a line for each mismatch."""
    from .campaign import covering_fabrics, run_campaign
    fabrics = covering_fabrics()
    with bar("random networks, model against RTL", count) as update:
        outcome = run_campaign(count, fabrics, seed=seed, folder=folder, progress=update)
    return outcome.to_json(), [f"seed {case}: {mismatch}; kept in {folder / f'seed-{case}'}" for case, mismatch in outcome.mismatches]


def verify_line(count: int, seed: int) -> dict[str, Any]:
    """Faults on the line of a simulated device: the tally."""
    from .line_faults import FAULT_DEVICE, run_line_faults
    from .sim.verilate import build_device_library
    with waiting("compile the device (kept for the next run)"):
        build_device_library(FAULT_DEVICE)
    with bar("faults on the line", count) as update:
        return run_line_faults(count, seed=seed, progress=update).to_json()


def generate(path: Path | None, output: Path, board: str | None, cores: int | None, lanes: int | None, clock_mhz: float, baud: int,
             uart: bool) -> dict[str, Any]:
    """Write a device as Verilog; what was written."""
    from .bitstream.command import form
    from .boards import find_board
    from .generate import generate_verilog
    network = None if path is None else load_network(path)
    base = FabricConfig() if board is None else find_board(board).fabric
    try:
        fabric = form(base, network, cores, lanes)
    except RanvierError as error:
        raise RanvierError(f"{path or 'generate'}: {error}") from error
    return generate_verilog(DeviceConfig(fabric, clock_hz=round(clock_mhz * 1e6), baud=baud, board="verilog"), output, uart=uart)
