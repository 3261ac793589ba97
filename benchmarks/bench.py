"""The figures of the digit network and of convolutions: `make bench`, or `python benchmarks/bench.py -o build/bench`.

Prints one table and writes ``bench.json``, a list of figures with target, measured value and whether it was met, beside
the load of the machine. A missed figure is called missed and does not fail the run; a difference between model and RTL does.

snnTorch 1.0.0 is compared where an interpreter that has it is named by RANVIER_SNNTORCH_PYTHON or is in
``build/snntorch-venv``. Nothing is downloaded for it here; to make that environment (about 1 GB):

    make bench-snntorch
    (that is: python3 -m venv build/snntorch-venv && build/snntorch-venv/bin/pip install torch snntorch==1.0.0)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import convert, load_network, load_onnx, load_pictures, map_network, save_network
from ranvier.commands.demo import find_digits
from ranvier.files.safe import write_json
from ranvier.mapping.choose import choose_fabric
from ranvier.model.fabric.cycles import predict_cycles
from ranvier.model.fabric.layout import Counter
from ranvier.model.fabric.placement import Placement
from ranvier.model.network.network import Network
from ranvier.model.run.golden import GoldenRun, run_golden
from ranvier.progress import bar, waiting
from ranvier.reports.tables import print_rows
from ranvier.runs import run_golden_set, run_rtl_set, weight_limit_share
from ranvier.sim.simulator import Simulator
from ranvier.sim.verilate import build_library

STEPS, THREADS, ROUNDS, RUNS = 4, 2, 3, 5
#: Pictures of a run in which only clocks are counted, and of a batch in the RTL.
RTL_PICTURES, RTL_BATCH = 2000, 250
#: A share of the weight-memory limit may be so far below what was expected of it.
SHARE_MARGIN = 0.03
DIFFERENCES = "  differing spikes, membranes, counters, clocks"
Pictures = npt.NDArray[Any]


@dataclass(frozen=True)
class Figure:
    """A row of the table; ``met`` is None where there is no target or nothing was measured."""

    figure: str
    target: str
    measured: str
    met: bool | None = None
    value: float | None = None

    def row(self) -> tuple[str, str, str, str]:
        """The figure as text."""
        return self.figure, self.target, self.measured, {True: "met", False: "missed", None: "-"}[self.met]


def at_most(name: str, most: float, value: float, show: Callable[[float], str], note: str = "") -> Figure:
    """A figure that must not be larger."""
    return Figure(name, f"<= {show(most)}", show(value) + note, value <= most, value)


def at_least(name: str, least: float, value: float, show: Callable[[float], str], note: str = "") -> Figure:
    """A figure that must not be smaller."""
    return Figure(name, f">= {show(least)}", show(value) + note, value >= least, value)


def only(name: str, value: float, show: Callable[[float], str], note: str = "") -> Figure:
    """A figure without a target."""
    return Figure(name, "", show(value) + note, value=value)


def seconds(value: float) -> str:
    """Seconds as they stand in the table."""
    return f"{value:.3f} s"


# The golden model, in a process of its own


def golden_process(network: Path, pictures: Path, count: int) -> None:
    """Time the model; print JSON. In a fresh process its peak memory is that of this work and of the imports alone."""
    net = load_network(network)
    values = {net.inputs[0].name: load_pictures(pictures, net)[0][:count]}
    placement = map_network(net, choose_fabric(net))
    found: dict[str, list[float]] = {"model": [], "cycles": []}
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        run = run_golden(net, values, STEPS, blocks=placement.blocks, threads=THREADS)
        between = time.perf_counter()
        predict_cycles(placement, run.popcounts, run.clamps, STEPS)
        found["model"].append(between - start)
        found["cycles"].append(time.perf_counter() - between)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if platform.system() == "Darwin" else 1024
    print(json.dumps({**{name: times[1:] for name, times in found.items()}, "peak_bytes": peak * scale}))


def output_of(command: list[str]) -> Any:
    """The JSON that a command prints in its last line."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}     # for torch; see `snntorch_digits.py`
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def snntorch_python() -> str | None:
    """An interpreter that was made for snnTorch."""
    named = os.environ.get("RANVIER_SNNTORCH_PYTHON")
    usual = Path(__file__).resolve().parents[1] / "build" / "snntorch-venv" / "bin" / "python"
    return named or (str(usual) if usual.is_file() else None)


def write_for_snntorch(network: Network, pictures: Pictures, path: Path) -> None:
    """The network as plain arrays; see `snntorch_digits.py`."""
    arrays: dict[str, Any] = {"pictures": pictures, "steps": STEPS, "layers": len(network.populations)}
    for n, population in enumerate(network.populations):
        arrays |= {f"theta_{n}": network.parameter(population, "theta"), f"v_init_{n}": network.parameter(population, "v_init")}
        if n:
            (projection,) = network.incoming(population.name)
            arrays |= {f"weight_{n}": projection.matrix << projection.exponent,
                       f"bias_{n}": network.parameter(population, "bias")}
    np.savez(path, **arrays)


def model_figures(placement: Placement, folder: Path, pictures_path: Path, pictures: Pictures) -> list[Figure]:
    """The golden model and snnTorch, in turns, so that both meet the same load."""
    python = snntorch_python()
    here = Path(__file__).resolve()
    network_path, answer = folder / "digits.ranvier", folder / "snntorch-answer.npz"
    golden_command = [sys.executable, str(here), "--golden", str(network_path), str(pictures_path), str(len(pictures))]
    plain = folder / "digits-arrays.npz"
    torch_command = [python or "", str(here.with_name("snntorch_digits.py")), str(plain), str(answer), "--runs", str(RUNS),
                     "--threads", str(THREADS)]
    if python:
        write_for_snntorch(placement.network, pictures, plain)
    golden, other = [], []
    with bar("golden model beside snnTorch" if python else "golden model", ROUNDS) as update:
        for n in range(ROUNDS):
            golden.append(output_of(golden_command))
            if python:
                other.append(output_of(torch_command))
            update(n + 1)
    model, cycles = (np.concatenate([found[name] for found in golden]) for name in ("model", "cycles"))
    whole = model + cycles
    name = f"golden model, {len(pictures):,} x {STEPS} ticks, with counters"
    figures = [
        at_most(f"{name}, median", 0.5, float(np.median(whole)), seconds),
        only("  best", float(whole.min()), seconds),
        only("  of it spikes and readouts, median", float(np.median(model)), seconds),
        only("  of it clocks and counters, median", float(np.median(cycles)), seconds),
        at_most("  peak memory of its process", 1024, max(found["peak_bytes"] for found in golden) / 2**20,
                lambda mib: f"{mib:.0f} MiB")]
    if not python:
        return [*figures, Figure("snnTorch", "", "not compared (see benchmarks/bench.py)")]
    return figures + snntorch_figures(other, whole, model, answer, placement, pictures)


def snntorch_figures(other: list[dict[str, Any]], whole: npt.NDArray[Any], model: npt.NDArray[Any], answer: Path,
                     placement: Placement, pictures: Pictures) -> list[Figure]:
    """Speed of the model as a share of snnTorch's, and whether both say the same."""
    times = [second for found in other for second in found["seconds"]]
    given = [second for found in other for second in found["seconds_spikes_given"]]
    median = statistics.median(times)
    settings = sorted({f"{found['threads']} x {found['batch']}" for found in other})
    versions = f" (torch {other[0]['torch']}; threads x batch: {', '.join(settings)})"
    golden = run_golden_set(placement, pictures, STEPS)
    with np.load(answer, allow_pickle=False) as file:
        readouts = file["readouts"]
    agree = np.mean(readouts.argmax(axis=1) == golden.readouts.argmax(axis=1))
    differ = int(np.count_nonzero(readouts != golden.readouts))
    ratio = median / float(np.median(whole))
    return [
        only(f"snnTorch {other[0]['snntorch']}, pixels to readouts, median", median, seconds, versions),
        only("  best", min(times), seconds),
        only("  with the input spikes given, median", statistics.median(given), seconds),
        at_least("speed of the golden model, snnTorch = 1", 0.5, ratio, lambda x: f"{x:.2f}"),
        only("  without clocks and counters, which snnTorch has not", median / float(np.median(model)), lambda x: f"{x:.2f}"),
        only("  classes that agree", float(agree), lambda share: f"{100 * share:.2f} %"),
        only("  readout membranes in which snnTorch differs", differ, lambda n: f"{n:,.0f} of {readouts.size:,}")]


# The RTL


def clock_rate(placement: Placement, pictures: Pictures) -> tuple[list[float], list[float]]:
    """Simulated clocks per second of wall clock, and of processor time, for each batch; nothing is recorded."""
    wall, processor = [], []
    name = placement.network.inputs[0].name
    with Simulator(placement.config) as simulator, bar("RTL alone", len(pictures)) as update:
        simulator.load(placement)
        for first in range(0, len(pictures), RTL_BATCH):
            before, start, used = simulator.clocks, time.perf_counter(), time.process_time()
            simulator.run({name: pictures[first:first + RTL_BATCH]}, STEPS, record=False)
            clocks = simulator.clocks - before
            wall.append(clocks / (time.perf_counter() - start))
            processor.append(clocks / (time.process_time() - used))
            update(min(first + RTL_BATCH, len(pictures)))
    return wall, processor


def rtl_figures(placement: Placement, pictures: Pictures, folder: Path) -> list[Figure]:
    """Clocks per second, and the comparison of every picture with the model."""
    with waiting("compile the RTL (kept for the next run)"):
        build_library(placement.config)
    rates, by_processor = clock_rate(placement, pictures[:RTL_PICTURES])
    start = time.perf_counter()
    with bar("RTL against model", len(pictures)) as update:
        result = run_rtl_set(placement, pictures, STEPS, folder=folder / "mismatch", progress=update)
    took = time.perf_counter() - start
    rate = statistics.median(rates)
    config = placement.config
    name = f"compiled RTL, {config.cores} cores x {config.core.lanes} lanes"

    def show(value: float) -> str:
        return f"{value:,.0f} clocks/s"

    figures = [
        at_least(f"{name}, alone, median", 600_000, rate, show),
        only("  best batch", max(rates), show),
        only("  by processor time, median (other load left out)", statistics.median(by_processor), show),
        only("  with recording and comparison", result.clocks / took, show),
        at_most(f"  {result.samples:,} pictures compared with the model in", 60, took, lambda s: f"{s:.1f} s"),
        Figure(DIFFERENCES, "0", f"{result.mismatches:,}", not result.mismatches,
               result.mismatches)]
    if result.mismatch is not None:
        figures.append(Figure("  first difference", "", str(result.mismatch), False))
    return figures


# Clocks, as the cycle model has them


def clock_figures(network: Network, pictures: Pictures) -> list[Figure]:
    """Clocks per picture by number of cores, 64 lanes each, beside the limit: weight words on the busiest core."""
    figures = []
    with bar("clocks on 1 to 4 cores", 4) as update:
        for cores in range(1, 5):
            figures += _core_figures(network, pictures, cores)
            update(cores)
    return figures


def _core_figures(network: Network, pictures: Pictures, cores: int) -> list[Figure]:
    placement = map_network(network, choose_fabric(network, cores, 64))
    run: GoldenRun = run_golden(network, {network.inputs[0].name: pictures}, STEPS, blocks=placement.blocks)
    alone, stream = (predict_cycles(placement, run.popcounts, run.clamps, STEPS, stream=stream) for stream in (False, True))
    latency, throughput = (float(cycles.clocks.sum() / len(pictures)) for cycles in (alone, stream))
    limit = float(stream.counters[:, Counter.WEIGHT_WORDS].max() / len(pictures))
    share = weight_limit_share(stream.counters)
    name = f"{cores} core{'s' if cores > 1 else ''} x 64 lanes, {STEPS} ticks"
    note = f" (limit: {limit:.0f} weight words)"
    if cores != 2:
        text = f"{latency:.0f} / {throughput:.0f} clocks{note}, share {100 * share:.1f} %"
        return [Figure(f"{name}: latency / stream", "", text, value=throughput)]

    def show(value: float) -> str:
        return f"{value:.0f} clocks"

    clamps = int(sum(found.sum() for found in run.clamps.values()))
    return [
        at_most(f"{name}: latency of a picture", 900, latency, show),
        at_most(f"{name}: a picture in a stream", 700, throughput, show, note),
        at_least("  share of the weight-memory limit while work is queued", 0.95, share, lambda s: f"{100 * s:.1f} %"),
        only("  membranes changed by a clamp", clamps, lambda n: f"{n:,.0f}")]


# Convolutions


def share_text(share: float) -> str:
    """A share as it stands in the table."""
    return f"{100 * share:.1f} %"


def convolution_figures(samples: int) -> list[Figure]:
    """Golden model on the event network; shares of the weight-memory limit of five layers in RTL, as `scan_share.py` measures them."""
    here = Path(__file__).resolve()
    with waiting(f"golden model, event network, {samples:,} samples"):
        events = output_of([sys.executable, str(here.with_name("event_network.py")), "--samples", str(samples), "--threads", str(THREADS)])
    figures = [at_most(f"golden model, event network of six layers, {samples:,} x {events['ticks']} ticks",
                       events["target_seconds"] * samples / 1000, events["seconds"], seconds)]
    with waiting("shares of five convolutions in RTL (compiled once)"):
        rows = output_of([sys.executable, str(here.with_name("scan_share.py"))])
    for row in rows:
        name = f"share of the weight-memory limit, {row['layer']}, {100 * row['activity']:.0f} % active"
        expected, rtl = row["expected"], row["rtl"]
        note = "" if rtl == row["model"] else f" (cycle model: {share_text(row['model'])})"
        figures.append(Figure(name, f"{share_text(expected)} within {100 * SHARE_MARGIN:.0f} points", share_text(rtl) + note,
                              round(expected - rtl, 4) <= SHARE_MARGIN, rtl))
    return figures


def main() -> int:
    """Measure, print, write; 1 only where RTL and model differ."""
    parser = argparse.ArgumentParser(description="Measures the figures of the README; see the module's first lines.")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"))
    parser.add_argument("--pictures", type=int, default=10_000, help="fewer for a try")
    parser.add_argument("--golden", nargs=3, metavar=("NETWORK", "PICTURES", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.golden:
        golden_process(Path(arguments.golden[0]), Path(arguments.golden[1]), int(arguments.golden[2]))
        return 0
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    digits = find_digits()
    conventional = load_onnx(digits / "digits.onnx")
    calibration = load_pictures(digits / "calibration.npz", conventional.input_size)[0]
    network = convert(conventional, steps=STEPS, calibration=calibration).network
    save_network(network, folder / "digits.ranvier")
    pictures = load_pictures(digits / "mnist_test.npz", network)[0][:arguments.pictures]
    placement = map_network(network, choose_fabric(network))
    load = [os.getloadavg()[0]]
    figures = model_figures(placement, folder, digits / "mnist_test.npz", pictures)
    load.append(os.getloadavg()[0])
    figures += rtl_figures(placement, pictures, folder)
    load.append(os.getloadavg()[0])
    figures += clock_figures(network, pictures)
    figures += convolution_figures(1000 if len(pictures) == 10_000 else 100)
    loads = ", ".join(f"{value:.1f}" for value in load)
    machine = f"{os.cpu_count()} processors, load average {loads} before the model, before the RTL, after it"
    print_rows(f"make bench, {machine}", ("figure", "target", "measured", ""), [figure.row() for figure in figures])
    write_json(folder / "bench.json", {"load_average": load, "processors": os.cpu_count(), "python": platform.python_version(),
                                       "figures": [asdict(figure) for figure in figures]})
    missed = sum(figure.met is False for figure in figures)
    print(f"{missed or 'no'} figure{'' if missed == 1 else 's'} missed; written to {folder / 'bench.json'}")
    return int(any(figure.figure == DIFFERENCES and figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
