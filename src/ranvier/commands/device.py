"""`ranvier run` on devices, and `ranvier info`: files and targets in, reports out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..device.device import Device, simulation_config
from ..device.result import Result
from ..device.serial_port import known_ports
from ..files.folder import result_folder
from ..files.reproducer import REPRODUCER_FILES, write_reproducer
from ..files.safe import shown
from ..model.fabric.config import FabricConfig, size_text
from ..model.fabric.counters import Counts
from ..model.fabric.layout import Counter
from ..model.mismatch import Mismatch
from ..model.network.network import Network
from ..progress import bar, share, waiting
from ..runs import inputs_of, weight_limit_share

__all__ = ["DeviceRun", "device_info", "figures", "info_rows", "named_from", "run_on_device"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """What `ranvier run` does on a device. ``fabric`` is for a simulated one, ``folder`` for what shows a difference again."""

    network: Network
    samples: Array
    ticks: int
    pixel_bits: int | None
    fabric: FabricConfig | None
    baud: int | None
    compare: bool
    folder: Path


def run_on_device(target: str, run: DeviceRun) -> tuple[dict[str, Any], Array]:
    """Load, run, and compare with the model if wanted: the report's figures, and the answers by which samples are classified.

    Those are the network's readout, or the spike counts of the one population that nothing else reads; else there are none.
    """
    with _opened(target, run) as device:
        with share(f"load into {target}") as update:
            device.load(run.network, progress=update)
        started = time.monotonic()
        with bar(f"samples on {target}", len(run.samples)) as done:
            found = device.run(inputs_of(run.network, run.samples), run.ticks, pixel_bits=run.pixel_bits, progress=lambda n, _: done(n))
        seconds = time.monotonic() - started
        info = device.info()
    report: dict[str, Any] = {
        "board": info["board"], "configuration": info["configuration"], "clock_hz": info["clock_hz"], "fabric": info["fabric"],
        **figures(found.counters), "clocks_per_sample": float(found.cycles.mean()), "link": info["link"]}
    if target.startswith("serial:"):
        report["samples_per_second"] = len(run.samples) / max(seconds, 1e-9)
    if run.compare:
        report |= _compared(device, run, found)
    return report, _answers(found)


def _opened(target: str, run: DeviceRun) -> Device:
    if run.fabric is None:
        return Device.open(target, baud=run.baud)
    with waiting("compile the device (kept for the next run)"):
        return Device.open(target, config=simulation_config(run.fabric), baud=run.baud)


def _compared(device: Device, run: DeviceRun, found: Result) -> dict[str, Any]:
    """The same run in the model."""
    with Device.open("golden:", config=simulation_config(device.identity.fabric)) as golden, bar("golden model", len(run.samples)) as done:
        golden.load(run.network)
        expected = golden.run(inputs_of(run.network, run.samples), run.ticks, pixel_bits=run.pixel_bits, progress=lambda n, _: done(n))
    mismatch = expected.mismatch(found)
    report: dict[str, Any] = {"compared_samples": len(run.samples), "mismatches": 0 if mismatch is None else mismatch.total}
    if mismatch is not None:
        report["mismatch"] = {**mismatch.to_json(), "reproducer": [str(path) for path in _kept(device, run, mismatch)]}
    return report


def _kept(device: Device, run: DeviceRun, mismatch: Mismatch) -> list[Path]:
    """Network, input, fabric and difference, as files."""
    with result_folder(run.folder, REPRODUCER_FILES.issuperset) as folder:
        names = write_reproducer(folder, run.network, inputs_of(run.network, run.samples), device.identity.fabric, mismatch,
                                 steps=run.ticks, pixel_bits=run.pixel_bits, board=device.identity.board)
    return [run.folder / name for name in names]


def named_from(report: dict[str, Any], work: Path, output: Path) -> dict[str, Any]:
    """``report`` with the names of the reproducer's files in ``work`` as they will be when it has taken the place of ``output``."""
    if "mismatch" not in report:
        return report
    kept = [shown(output / Path(path).relative_to(work)) for path in report["mismatch"]["reproducer"]]
    return {**report, "mismatch": {**report["mismatch"], "reproducer": kept}}


def _answers(found: Result) -> Array:
    for answers in (found.readouts, found.counts):
        if len(answers) == 1:
            return next(iter(answers.values()))
    return np.zeros((0, 0), np.int64)


def figures(counters: Counts) -> dict[str, Any]:
    """Counters of all units together, and the share of the weight memory's limit."""
    total = counters.sum(axis=0)
    return {"weight_limit_share": weight_limit_share(counters),
            "counters": {counter.name.lower(): int(total[counter]) for counter in Counter}}


def device_info(target: str | None, baud: int | None) -> dict[str, Any]:
    """What a device says of itself; without a target, the serial ports there are."""
    if target is None:
        return {"ports": [port.to_json() for port in known_ports()]}
    with Device.open(target, baud=baud) as device:
        return {"target": target, **device.info()}


def info_rows(info: dict[str, Any]) -> list[tuple[str, str]]:
    """The table of `ranvier info`."""
    fabric, core, link = info["fabric"], info["fabric"]["core"], info["link"]
    rows = [
        ("board", info["board"]), ("configuration hash", info["configuration"]), ("clock", f"{info['clock_hz'] / 1e6:g} MHz"),
        ("fabric", size_text(fabric['cores'], core['lanes'])),
        ("bits of a membrane, weight, input value", f"{fabric['state_bits']}, {fabric['weight_bits']}, {fabric['input_bits']}"),
        ("weight words of a core", f"{core['weight_depth']:,}"),
        ("membranes of a core, of the input unit",
         f"{core['state_depth'] * core['sweep_lanes']:,}, {fabric['input']['state_depth'] * fabric['input']['sweep_lanes']:,}"),
        ("spike words, levels", f"{fabric['spike_depth']:,}, {fabric['levels']}"),
        ("link's buffer, record", f"{info['buffer_bytes']:,} bytes, {info['record_depth']:,} spike words")]
    if link:
        state = [name for bit, name in enumerate(("runs", "waits for the host", "takes input values")) if link["state"] >> bit & 1]
        rows += [("baud rate", f"{link['baud']:,} ({link['divisor']} clocks a bit)"), ("fabric's state", ", ".join(state) or "busy"),
                 ("frames dropped: damaged, no room", f"{link['bad_frames']:,}, {link['overruns']:,}"),
                 ("spike words lost in the last run", f"{link['record_lost']:,}"),
                 ("in this session: sent again, replies lost", f"{link['sent_again']:,}, {link['replies_lost']:,}")]
    return rows
