"""The figures of the boards: `make bench-boards`, or `python benchmarks/boards.py -o build/bench`.

Builds bitstreams with the open tools, prints one table and writes ``boards.json``: figures with target, measured value and
whether it was met, beside the seeds, the tools' versions and the load of the machine. A missed figure is called missed and
does not fail the run. It takes from twenty minutes to hours, by the machine; ``--only`` takes a part:

    python benchmarks/boards.py --only core --only icebreaker
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Module, Value
from bench import Figure, at_least, at_most, only

from ranvier import convert, load_onnx, load_pictures, map_network
from ranvier.bitstream.flow import Job, build_bitstream, place_seeds, synthesise, warm_tools
from ranvier.bitstream.logs import read_placed
from ranvier.bitstream.plan import NAME, SYNTHESIS_SCRIPT, before_synthesis, placement_arguments
from ranvier.bitstream.prediction import Prediction, capacity_of, predict
from ranvier.bitstream.tools import tools_of
from ranvier.boards import BOARDS
from ranvier.commands.build import form, seeds_of
from ranvier.commands.demo import find_digits
from ranvier.files.safe import write_json
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.network.network import Network
from ranvier.progress import bar
from ranvier.reports.build_table import build_rows
from ranvier.reports.tables import print_rows
from ranvier.rtl.core import Core
from ranvier.rtl.forms.technology import ECP5

TICKS, PICTURES = 4, 200
#: Baud rates for which is said what the link allows: FT231X at its fastest, and the rate of the simulated line.
FAST_BAUD, SIMULATED_BAUD = 3_000_000, 2_000_000
SIMULATED_PICTURES = 60
OVERLAY_MHZ = 100.0
Pictures = npt.NDArray[Any]


def digits(state_bits: int = 16) -> tuple[Network, Pictures]:
    """The network 784-128-10, with membranes of so many bits, and the test pictures."""
    folder = find_digits()
    conventional = load_onnx(folder / "digits.onnx")
    calibration, _ = load_pictures(folder / "calibration.npz", conventional.input_size)
    network = convert(conventional, steps=TICKS, calibration=calibration, state_bits=state_bits).network
    return network, load_pictures(folder / "mnist_test.npz", network)[0]


def mhz(value: float) -> str:
    """Megahertz as they stand in the table."""
    return f"{value:.2f} MHz"


def us(value: float) -> str:
    """Microseconds as they stand in the table."""
    return f"{value:.2f} us"


def seconds(value: float) -> str:
    """Seconds as they stand in the table."""
    return f"{value:.0f} s"


def count(value: float) -> str:
    """A number as it stands in the table."""
    return f"{value:,.0f}"


class Bench:
    """What every part needs; ``reports`` are kept for the file."""

    def __init__(self, folder: Path, seeds: int | None, jobs: int) -> None:
        self.folder, self.seeds, self.jobs = folder, seeds, jobs
        self.network, self.pictures = digits()
        self.reports: dict[str, Any] = {}

    def build(self, board_name: str, fabric: FabricConfig, network: Network | None, key: str,
              clock_hz: float | None = None) -> dict[str, Any]:
        """A bitstream; its report. Raises `RanvierError` where it fails, which is kept too."""
        board = BOARDS[board_name]
        seeds = seeds_of(board, self.seeds)
        placement = None if network is None else map_network(network, fabric)

        def prediction(device: DeviceConfig) -> Prediction | None:
            return None if placement is None else predict(placement, device, TICKS, self.pictures[:PICTURES])
        try:
            job = Job(board, fabric, seeds, min(self.jobs, len(seeds)), clock_hz, network, faster=True)
            self.reports[key] = build_bitstream(job, self.folder / "boards" / key, prediction)
        except RanvierError as error:
            self.reports[key] = {"error": str(error)}
            raise
        return dict(self.reports[key])

    def tailored(self, board_name: str) -> tuple[FabricConfig, dict[str, Any]]:
        """The digit network's own fabric on a board."""
        base = BOARDS[board_name].fabric
        network, _ = digits(base.state_bits)
        fabric = form(base, network)
        report = self.build(board_name, fabric, network, f"{board_name}-digits")
        print_rows(f"{board_name}, tailored to the digits", ("figure", "value"), build_rows(report))
        return fabric, report


def failed(figures: list[tuple[str, str]], error: RanvierError) -> list[Figure]:
    """Figures that could not be measured, with the reason behind the first."""
    return [Figure(name, goal, f"not measured: {error}" if n == 0 else "not measured", False) for n, (name, goal) in enumerate(figures)]


# ULX3S


def ulx3s_figures(bench: Bench) -> list[Figure]:
    """The digits on a fabric of their own."""
    goals = [("ULX3S, digits tailored: Fmax of the fabric clock", ">= 110 MHz"),
             ("  us a picture, input loaded to answer ready", "<= 8 us"), ("  time to build, tools compiled", "<= 360 s")]
    try:
        fabric, report = bench.tailored("ulx3s")
    except RanvierError as error:
        return failed(goals, error)
    fmax = max(max(attempt["seeds"].values()) for attempt in report["attempts"])
    found = report["prediction"]
    note = (f" (seed {report['seed']} of {report['seeds']}, {fabric.cores} x {fabric.core.lanes} lanes, "
            f"clock used {mhz(report['clock_hz'] / 1e6)})")
    figures = [
        at_least(goals[0][0], 110, fmax, mhz, note),
        at_most(goals[1][0], 8, found["us"], us, f" ({found['clocks']:.1f} clocks at {TICKS} ticks, mean of {found['pictures']} pictures)"),
        only("  pictures a second in a stream", 1e6 / found["stream_us"], count),
        only(f"  what the link allows at {FAST_BAUD:,} baud, values of 8 bits", FAST_BAUD / 10 / found["link_bytes"], count, " pictures/s"),
        at_most(goals[2][0], 360, report["seconds"]["total"], seconds, f" ({len(report['attempts'])} clocks tried)")]
    return figures + [resource_figure("ULX3S", report, name) for name in ("LUT4", "block RAMs", "multipliers")]


def resource_figure(title: str, report: dict[str, Any], name: str) -> Figure:
    """Cells of one kind."""
    cell = next((cell for cell in report["resources"] if cell["name"] == name), {"used": 0, "available": 0})
    return Figure(f"  {name}", "", f"{cell['used']:,} of {cell['available']:,}", value=cell["used"])


class CoreAlone(Elaboratable):
    """A core with everything but its trace, which nothing in a device reads."""

    def __init__(self, config: FabricConfig) -> None:
        self.core = Core(config)

    def ports(self) -> list[Any]:
        """Its signals, without the trace's."""
        return [Value.cast(signal) for path, _, signal in self.core.signature.flatten(self.core) if path[0] != "trace"]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = self.core
        return m


def out_of_context(bench: Bench, top: Any, ports: list[Any], key: str, clock_mhz: float) -> list[Any]:
    """Synthesis and placement of a block by itself on the ECP5 85F; what each seed came to."""
    board = BOARDS["ulx3s"]
    folder = bench.folder / "boards" / key
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    tools = tools_of("ecp5")
    warm_tools(tools[:2])
    (folder / f"{NAME}.il").write_text(rtlil.convert(top, name=NAME, ports=ports, platform=ECP5, emit_src=False))
    (folder / SYNTHESIS_SCRIPT).write_text(
        f"read_rtlil {NAME}.il\n{before_synthesis(board.family)}\nsynth_ecp5 {board.synthesis} -top {NAME}\nwrite_json {NAME}.json\n")
    synthesise(tools[0], folder, f"synthesis of {key}", "ecp5")
    options = ["--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context", "--freq", f"{clock_mhz:g}"]
    seeds = seeds_of(board, bench.seeds)
    place_seeds(tools[1], folder, lambda seed: placement_arguments("ecp5", options, seed, packed=False), seeds, bench.jobs, f"place {key}")
    reports = [folder / f"{NAME}-{seed}.report.json" for seed in seeds]
    return [read_placed(path, "ecp5", seed, clock_mhz) for path, seed in zip(reports, seeds, strict=True) if path.is_file()]


def core_figures(bench: Bench) -> list[Figure]:
    """Area of one core of 64 lanes, out of context."""
    goal = ("ULX3S, one core of 64 lanes: LUT4 a lane", "<= 60")
    fabric = BOARDS["ulx3s"].fabric
    top = CoreAlone(fabric)
    try:
        placed = out_of_context(bench, top, top.ports(), "core", 110)
    except RanvierError as error:
        return failed([goal], error)
    cells = {cell.name: cell.used for cell in placed[0].resources}
    log = (bench.folder / "boards" / "core" / f"placement-{placed[0].seed}.log").read_text(errors="replace")
    total = re.search(r"Total LUT4s: +(\d+)/", log)
    luts = int(total[1]) if total else cells["LUT4"]
    bench.reports["core"] = [found.to_json() for found in placed]
    lanes, seeds = fabric.core.lanes, ", ".join(str(found.seed) for found in placed)
    return [at_most(goal[0], 60, luts / lanes, lambda value: f"{value:.1f}",
                    f" ({luts:,} in all before packing, {cells['LUT4']:,} with those that packing adds; out of context)"),
            only("  flip-flops a lane", cells["flip-flops"] / lanes, lambda value: f"{value:.1f}"),
            only("  Fmax by itself", max(found.fmax for found in placed), mhz, f" (seeds {seeds})")]


def overlay_figures(bench: Bench) -> list[Figure]:
    """The board's overlay, at the clock that is wanted."""
    goal = (f"ULX3S, overlay at {OVERLAY_MHZ:g} MHz: synaptic operations a second", ">= 40 G/s")
    fabric = BOARDS["ulx3s"].fabric
    try:
        report = bench.build("ulx3s", fabric, None, "ulx3s-overlay", OVERLAY_MHZ * 1e6)
    except RanvierError as error:
        return failed([goal], error)
    operations = capacity_of(fabric, report["clock_hz"]).operations / 1e9
    note = (f" ({fabric.cores} x {fabric.core.lanes} lanes at {mhz(report['clock_hz'] / 1e6)}, "
            f"Fmax {mhz(report['clocks'][0]['achieved'])}, seed {report['seed']})")
    return [at_least(goal[0], 40, operations, lambda value: f"{value:.1f} G/s", note),
            only("  time to build", report["seconds"]["total"], seconds),
            *(resource_figure("overlay", report, name) for name in ("LUT4", "block RAMs", "multipliers"))]


# iCEBreaker


def icebreaker_figures(bench: Bench) -> list[Figure]:
    """The whole digit network on a UP5K."""
    goals = [("iCEBreaker, digits tailored: Fmax", ">= 36 MHz"), ("  us a picture, input loaded to answer ready", "<= 120 us"),
             ("  lanes", ">= 16"), ("  time to build, tools compiled", "<= 120 s")]
    try:
        fabric, report = bench.tailored("icebreaker")
    except RanvierError as error:
        return failed(goals, error)
    found = report["prediction"]
    fmax = max(max(attempt["seeds"].values()) for attempt in report["attempts"])
    note = f" (seed {report['seed']} of {report['seeds']}, clock used {mhz(report['clock_hz'] / 1e6)})"
    figures = [at_least(goals[0][0], 36, fmax, mhz, note),
               at_most(goals[1][0], 120, found["us"], us, f" ({found['clocks']:.1f} clocks)"),
               at_least(goals[2][0], 16, fabric.core.lanes, count),
               at_most(goals[3][0], 120, report["seconds"]["total"], seconds, f" ({len(report['attempts'])} clocks tried)")]
    return figures + [resource_figure("iCEBreaker", report, name) for name in ("logic cells", "block RAMs", "SPRAMs", "multipliers")]


# The link


def link_figures(bench: Bench) -> list[Figure]:
    """Pictures a second over a simulated line, driver and device as they are; the time is the device's."""
    from ranvier.device import Device
    from ranvier.sim.device import SimulatedPort
    config = DeviceConfig(form(BOARDS["ulx3s"].fabric, bench.network), clock_hz=96_000_000, baud=SIMULATED_BAUD)
    port = SimulatedPort(config)
    with Device.over(port) as device, bar("pictures over a simulated line", SIMULATED_PICTURES) as update:
        device.load(bench.network)
        device.run(bench.pictures[:1], TICKS)
        before = port.simulator.clocks
        device.run(bench.pictures[:SIMULATED_PICTURES], TICKS, progress=lambda done, total: update(done))
        clocks = port.simulator.clocks - before
    rate = SIMULATED_PICTURES / (clocks / config.clock_hz)
    limit = SIMULATED_BAUD / 10 / bench.pictures[0].size
    return [at_least(f"share of a simulated line of {SIMULATED_BAUD:,} baud", 0.9, rate / limit, lambda value: f"{value:.1%}",
                     f" ({rate:.1f} pictures a second of {limit:.1f}; {SIMULATED_PICTURES} pictures, values of 8 bits)")]


PARTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "core": core_figures, "icebreaker": icebreaker_figures, "ulx3s": ulx3s_figures, "link": link_figures, "overlay": overlay_figures}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", action="append", choices=list(PARTS), help="a part; may be given several times")
    parser.add_argument("--seeds", type=int, help="placement seeds 1 to this number; without it each board's own")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="placements at a time")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    start, load = time.monotonic(), [os.getloadavg()[0]]
    bench = Bench(options.output, options.seeds, options.jobs)
    figures: list[Figure] = []
    for name, part in PARTS.items():
        if options.only is None or name in options.only:
            figures += part(bench)
            load.append(os.getloadavg()[0])
    seeds = {name: list(seeds_of(BOARDS[name], options.seeds)) for name in ("icebreaker", "ulx3s")}
    shown = ", ".join(f"{name} {found}" for name, found in seeds.items())
    print_rows(f"make bench-boards, {os.cpu_count()} processors, load {load[0]:.1f} to {max(load):.1f}; seeds: {shown}",
               ("figure", "target", "measured", ""), [figure.row() for figure in figures])
    write_json(options.output / "boards.json", {
        "processors": os.cpu_count(), "load_average": load, "python": platform.python_version(), "seeds": seeds,
        "seconds": round(time.monotonic() - start, 1), "figures": [asdict(figure) for figure in figures], "reports": bench.reports})
    missed = sum(figure.met is False for figure in figures)
    print(f"{missed or 'no'} figure{'' if missed == 1 else 's'} missed; written to {options.output / 'boards.json'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RanvierError as error:
        sys.exit(f"error: {error}")
