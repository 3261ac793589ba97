"""The flow: synthesis once, several placements side by side, a clock that timing allows, and a bitstream only if it is met."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..boards import Board, PllSetting
from ..files.network import save_network
from ..files.safe import shown, write_atomic, write_json
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig, size_text
from ..model.fabric.device_config import DeviceConfig
from ..model.network.network import Network
from ..progress import several, waiting
from .folder import replaced_folder
from .hard_registers import use_hard_registers
from .logs import Placed, circles, overfull, phase_of, read_placed, stage_of
from .plan import LATE_WIRES, NAME, SYNTHESIS_SCRIPT, Plan, make_plan
from .prediction import Prediction, capacity_of
from .tools import Hopeless, Tool, run_tool, tools_of

__all__ = ["BUILD_FILE", "Attempt", "Job", "build_bitstream", "place_seeds", "synthesise", "warm_tools"]

BUILD_FILE = "build.json"
NETWORK_FILE = "network.ranvier"
#: Times that a design is made for another clock.
_MOST_ATTEMPTS = 3
#: A faster clock is worth another synthesis and placement from this gain on.
_WORTH = 1.02
#: The last attempt stays this much below what the one before it reached: another design is never placed quite alike.
_CAREFUL = 0.95
_MHZ = 1e6


@dataclass(frozen=True)
class Job:
    """What to build. Without ``clock_hz`` the clock is found: the board's first, then slower ones until timing is met, or with
    ``faster`` then the fastest that timing allows."""

    board: Board
    fabric: FabricConfig
    seeds: tuple[int, ...]
    jobs: int
    clock_hz: float | None = None
    network: Network | None = None
    device: Callable[[DeviceConfig], Any] | None = None     # makes another design than the configuration's own
    faster: bool = False


@dataclass
class Attempt:
    """One clock: its plan, what every seed came to (the best is first), and the seeds with which nextpnr failed."""

    plan: Plan
    folder: Path
    placed: list[Placed]
    failed: list[int]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> Placed:
        """The fastest placement."""
        return self.placed[0]


def warm_tools(tools: Sequence[Tool]) -> dict[str, str]:
    """Have every program compile itself where it must, saying so; their versions by name."""
    versions = {}
    for tool in tools:
        if tool.compiled:
            # What is kept may be of another version of the runtime, and is then made again.
            versions[tool.program.name] = tool.warm(lambda name: click.echo(f"{name} compiles itself again ...", err=True))
        else:
            size = " (about a minute and 2 GB of memory)" if tool.program.name == "yosys" else ""
            with waiting(f"{tool.program.name} compiles itself for this machine, once{size}"):
                versions[tool.program.name] = tool.warm()
    return versions


def _text(path: Path, most: int = 1 << 20) -> str:
    """The end of a log that is being written."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def synthesise(tool: Tool, folder: Path, title: str, family: str) -> float:
    """Run yosys' script in ``folder``, and for an ECP5 use the registers that it leaves unused; seconds that it took."""
    start = time.monotonic()
    stop = threading.Event()
    with several([title]) as update, ThreadPoolExecutor(1) as pool, _ended(stop):
        future = pool.submit(run_tool, tool, [SYNTHESIS_SCRIPT], folder, "synthesis.log", stop)
        _watch([future], [folder / "synthesis.log"], stage_of, update)
        future.result()
    if family == "ecp5":
        use_hard_registers(folder / f"{NAME}.json", NAME)
    return time.monotonic() - start


def place_seeds(tool: Tool, folder: Path, arguments: Callable[[int], list[str]], seeds: Sequence[int], jobs: int, title: str) -> None:
    """Run nextpnr for every seed, ``jobs`` at a time. Raises the first failure where no seed succeeds, else leaves failed ones out."""
    stop = threading.Event()
    logs = [f"placement-{seed}.log" for seed in seeds]
    with several([f"{title}, seed {seed}" for seed in seeds]) as update, ThreadPoolExecutor(jobs) as pool, _ended(stop):
        futures = [pool.submit(_place, tool, arguments(seed), folder, log, stop) for seed, log in zip(seeds, logs, strict=True)]
        _watch(futures, [folder / log for log in logs], phase_of, update)
    failures = [future.exception() for future in futures]
    if all(failures):
        assert failures[0] is not None
        raise failures[0]


def _place(tool: Tool, arguments: list[str], folder: Path, log: str, stop: threading.Event) -> None:
    """Run nextpnr; where routing does not end because of late wires, again and without minding them."""
    try:
        run_tool(tool, arguments, folder, log, stop, circles)
    except Hopeless:
        run_tool(tool, [argument for argument in arguments if argument != LATE_WIRES], folder, log, stop)


@contextmanager
def _ended(stop: threading.Event) -> Iterator[None]:
    """On an interruption of the block end the programs that it started. It must be within the pool's, which waits for them."""
    try:
        yield
    except BaseException:
        stop.set()
        raise


def _watch(futures: Sequence[Future[None]], logs: Sequence[Path], read: Callable[[str], tuple[int, str]],
           update: Callable[[int, int, str], None]) -> None:
    """Show how far each is until all are done."""
    running = set(futures)
    while running:
        _, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        for n, (future, log) in enumerate(zip(futures, logs, strict=True)):
            if future.done():
                update(n, 100, "failed" if future.exception() else "done")
            elif log.exists():
                update(n, *read(_text(log)))


def _attempt(job: Job, setting: PllSetting, tools: tuple[Tool, Tool, Tool], folder: Path) -> Attempt:
    """Make the design for one clock, and place it with every seed."""
    folder.mkdir()
    mhz = float(setting.hz) / _MHZ
    config = job.board.device_config(job.fabric, setting.clock_hz)
    start = time.monotonic()
    with waiting(f"elaborate for {mhz:.2f} MHz"):
        plan = make_plan(job.board, config, setting, None if job.device is None else job.device(config))
    for name, content in plan.files.items():
        (folder / name).write_text(content)
    seconds = {"elaboration": time.monotonic() - start}
    seconds["synthesis"] = synthesise(tools[0], folder, f"synthesis for {mhz:.2f} MHz", job.board.family)
    start = time.monotonic()
    try:
        place_seeds(tools[1], folder, plan.placement, job.seeds, job.jobs, f"place and route for {mhz:.2f} MHz")
    except RanvierError:
        _check_fits(job, folder)
        raise
    seconds["placement"] = time.monotonic() - start
    placed = []
    for seed in job.seeds:
        report = folder / f"{NAME}-{seed}.report.json"
        if report.is_file():
            placed.append(read_placed(report, job.board.family, seed, mhz))
    if not placed:
        raise RanvierError("nextpnr: it wrote no report; see its log")
    placed.sort(key=lambda found: (not found.met, -found.fmax))
    failed = sorted(set(job.seeds) - {found.seed for found in placed})
    return Attempt(plan, folder, placed, failed, seconds)


def _check_fits(job: Job, folder: Path) -> None:
    """Say what there is too little of, if that is why nextpnr failed."""
    lacking = overfull(_text(folder / f"placement-{job.seeds[0]}.log"), job.board.family)
    if lacking:
        what = ", ".join(f"{found.used} {found.name} of {found.available}" for found in lacking)
        fabric, usual = job.fabric, job.board.fabric.state_bits
        narrower = f"convert again with --state-bits {usual}, " if fabric.state_bits > usual else ""
        raise RanvierError(f"{job.board.name}: the fabric of {size_text(fabric.cores, fabric.core.lanes)} does not fit: it needs {what}; "
                           f"{narrower}use fewer cores, lanes or sweep lanes, smaller depths, or a larger board") from None


def _clocks(job: Job) -> PllSetting:
    """The clock that is tried first."""
    board = job.board
    if job.clock_hz is None:
        return board.pll.nearest(board.source_hz, board.clock_hz if job.network is not None else board.overlay_hz or board.clock_hz)
    if job.clock_hz > board.most_hz:
        raise RanvierError(f"clock: {job.clock_hz / _MHZ:g} MHz is more than the {board.most_hz / _MHZ:g} MHz of {board.title}")
    return board.pll.below(board.source_hz, job.clock_hz)


def _search(job: Job, tools: tuple[Tool, Tool, Tool], folder: Path, attempts: list[Attempt]) -> Attempt:
    """The attempt whose bitstream is handed out. The clock is in the device's identity and in its baud rate, so another clock
    is another design, which is synthesised, placed and timed anew. Raises `RanvierError` where timing is never met."""
    board, setting = job.board, _clocks(job)
    good: Attempt | None = None
    while True:
        attempt = _attempt(job, setting, tools, folder / f"attempt-{len(attempts) + 1}")
        attempts.append(attempt)
        if attempt.best.met:
            good = attempt
        if job.clock_hz is not None or len(attempts) == _MOST_ATTEMPTS:
            break
        if good is not None and (len(attempts) > 1 or not job.faster):
            break
        careful = 1.0 if len(attempts) == 1 else _CAREFUL
        fastest = board.pll.below(board.source_hz, min(attempt.best.fmax * _MHZ * careful, board.most_hz))
        if good is not None and fastest.hz < setting.hz * _WORTH:
            break
        if fastest.hz >= setting.hz and good is None:
            break       # another clock misses its timing; a lower one here would not help
        setting = fastest
    if good is None:
        best = attempts[-1].best
        missed = ", ".join(f"{clock.name} reached {clock.achieved:.2f} of {clock.asked:.2f} MHz" for clock in best.clocks
                           if clock.achieved < clock.asked)
        seeds = ", ".join(map(str, job.seeds))
        raise RanvierError(f"{board.name}: timing is not met with seeds {seeds} ({missed}); there is no bitstream: "
                           f"try --clock {best.fmax * 0.97:.4g}, more --seeds, or a smaller fabric"
                           + (f"; the slowest path is {best.slowest}" if best.slowest else ""))
    return good


def build_bitstream(job: Job, output: Path, predict: Callable[[DeviceConfig], Prediction | None] = lambda device: None) -> dict[str, Any]:
    """Build into the folder ``output``; the report, which is also its ``build.json``.

    An older build there is replaced. Where the build fails, the folder has logs and a ``build.json`` with the error, and no
    bitstream. ``predict`` is asked with the final device configuration. Raises `RanvierError`.
    """
    tools = tools_of(job.board.family)
    failure: RanvierError | None = None
    with replaced_folder(output, BUILD_FILE) as folder:
        attempts: list[Attempt] = []
        versions: dict[str, str] = {}
        try:
            start = time.monotonic()
            versions = warm_tools(tools)
            began = time.monotonic()
            attempt = _search(job, tools, folder, attempts)
            packing = time.monotonic()
            with waiting("pack the bitstream"):
                run_tool(tools[2], attempt.plan.packing(attempt.best.seed), attempt.folder, "packing.log")
            now = time.monotonic()
            seconds = {"compiling tools": began - start, **_sums(attempts), "packing": now - packing, "total": now - began}
            report = _report(job, attempt, attempts, versions, seconds, folder, predict)
        except RanvierError as error:
            failure = RanvierError(f"{error} (logs: {shown(output)})")
            report = {"board": job.board.name, "error": str(error), "tools": versions,
                      "attempts": [_attempt_json(found) for found in attempts]}
        write_json(folder / BUILD_FILE, report)
        _keep_logs(folder)
    if failure is not None:
        raise failure
    return report


def _sums(attempts: Sequence[Attempt]) -> dict[str, float]:
    names = ("elaboration", "synthesis", "placement")
    return {name: sum(attempt.seconds.get(name, 0.0) for attempt in attempts) for name in names}


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    slowest = attempt.best.slowest
    return {"clock_hz": attempt.plan.setting.clock_hz, "met": attempt.best.met, "slowest_path": None if slowest is None else str(slowest),
            "seeds": {str(found.seed): found.fmax for found in attempt.placed}, "failed_seeds": attempt.failed,
            "seconds": {name: round(value, 2) for name, value in attempt.seconds.items()}}


def _report(job: Job, attempt: Attempt, attempts: Sequence[Attempt], versions: Mapping[str, str], seconds: Mapping[str, float],
            folder: Path, predict: Callable[[DeviceConfig], Prediction | None]) -> dict[str, Any]:
    """Put the files in place; what `build.json` holds."""
    board, plan, best = job.board, attempt.plan, attempt.best
    device = board.device_config(job.fabric, plan.setting.clock_hz)
    name = f"ranvier{Path(plan.bitstream).suffix}"
    data = (attempt.folder / plan.bitstream).read_bytes()
    write_atomic(folder / name, data)
    hashes = {name: hashlib.sha256(data).hexdigest(),
              "design": hashlib.sha256(plan.files[f"{NAME}.il"].encode()).hexdigest()}
    if job.network is not None:
        save_network(job.network, folder / NETWORK_FILE)
        hashes[NETWORK_FILE] = hashlib.sha256((folder / NETWORK_FILE).read_bytes()).hexdigest()
    found = predict(device)
    return {
        "board": board.name, "title": board.title, "chip": board.device, "kind": "overlay" if job.network is None else "tailored",
        "bitstream": name, "device": device.to_json(), "digest": job.fabric.digest, "clock_hz": plan.setting.clock_hz,
        "pll": dict(plan.setting.dividers), "seed": best.seed, "seeds": list(job.seeds), "met": best.met,
        "resources": [vars(resource) for resource in best.resources], "clocks": [vars(clock) for clock in best.clocks],
        "slowest_path": None if best.slowest is None else str(best.slowest),
        "cells": _cells(attempt.folder / f"{NAME}.stat.json"), "capacity": capacity_of(job.fabric, plan.setting.clock_hz).to_json(),
        "prediction": None if found is None else found.to_json(), "attempts": [_attempt_json(one) for one in attempts],
        "seconds": {key: round(value, 2) for key, value in seconds.items()},
        "tools": {"ranvier": __version__, **versions}, "sha256": hashes,
    }


def _cells(path: Path) -> dict[str, int]:
    """Cells by kind from yosys' ``stat -json``; empty where that cannot be read, for it is information only."""
    try:
        text = path.read_text(errors="replace")
        found = json.loads(text[text.index("{"):])["design"]["num_cells_by_type"]
        return {str(kind): int(count) for kind, count in sorted(found.items())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep_logs(folder: Path) -> None:
    """Logs and constraints stay, by attempt; netlists, which are large and can be made again, go."""
    for attempt in folder.glob("attempt-*"):
        target = folder / "logs" / attempt.name
        target.mkdir(parents=True)
        for path in attempt.iterdir():
            if path.suffix in (".log", ".ys", ".pcf", ".lpf", ".cst") or path.name.endswith((".report.json", ".stat.json")):
                os.replace(path, target / path.name)
        shutil.rmtree(attempt)
