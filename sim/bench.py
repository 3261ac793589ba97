"""Runs cocotb benches: the tops that hold the blocks, their builds, and what a failing bench says.

A build with cocotb takes long, so all blocks share one top, `blocks`, once in the form of an ECP5 and once (`blocks_up5k`) in that of an
iCE40; the whole fabric is another one. A block's ports are the top's ports under the block's name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb_tools.config
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, Flow, In, Out
from cocotb_tools.runner import get_runner

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, Counter, Memory, MemoryLayout
from ranvier.processes import run
from ranvier.rtl.fabric import Fabric
from ranvier.rtl.forms.form import FORMS, Form, form_of
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, Technology, platform_form
from ranvier.rtl.forms.tick_copy import TickCopy
from ranvier.rtl.input_unit import InputUnit
from ranvier.rtl.lanes import Lanes
from ranvier.rtl.memory.chain import join_chain
from ranvier.rtl.memory.config_memory import ConfigMemory
from ranvier.rtl.memory.counters import Counters
from ranvier.rtl.memory.readback import answer
from ranvier.rtl.prng import Draw, Key, Prng
from ranvier.rtl.ring import RingNode
from ranvier.rtl.scan.sequencer import Sequencer
from ranvier.rtl.scan.sliced_scanner import SlicedScanner
from ranvier.rtl.scan.whole_scanner import WholeScanner
from ranvier.rtl.signatures import ConfigBus
from ranvier.rtl.sweep.sweep import Sweep
from ranvier.rtl.ticker import Ticker
from ranvier.rtl.unit import MEMORY_KINDS
from ranvier.rtl.verilog import verilog_of

from .cache import cache_folder, cached_build, cached_verilog
from .cells import cell_models
from .link_blocks import link_blocks
from .neuron_blocks import COUNTED, PAIR, SWEEPS, neuron_blocks
from .runtime import shared_runtime
from .verilate import tool_environment, verilator_binary
from .window_blocks import wide_lanes, window_blocks

__all__ = ["BLOCKS", "CHAIN", "CHAIN_STAGES", "COUNTERS", "FABRIC", "MEMORIES", "RING", "TOPS", "BenchTop", "build_bench",
           "iverilog_version", "run_bench"]

#: What the blocks are made for: words of several sweep groups, and two rows of the core to a word.
BLOCKS = FabricConfig(
    cores=2, state_bits=12, weight_bits=4, input_bits=6, word_bits=16, spike_depth=64, levels=4, queue_depth=4,
    core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=32, row_depth=8, weight_depth=64, state_depth=16, drive_depth=16,
                    dynamics_depth=16, readout_depth=16),
    input=InputConfig(sweep_lanes=4, row_depth=8, state_depth=16, drive_depth=16, dynamics_depth=16))
#: A ring long enough that words are still on their way when the outbox is empty.
RING = BLOCKS.replace(cores=6, input={"sweep_lanes": 2})
#: The whole fabric: two words to a row, truncating decay.
FABRIC = FabricConfig(
    cores=2, state_bits=14, weight_bits=4, input_bits=6, word_bits=8, rounding="zero", spike_depth=128, levels=32, queue_depth=3,
    core=CoreConfig(lanes=16, sweep_lanes=2, program_depth=128, row_depth=16, weight_depth=512, state_depth=64, drive_depth=64,
                    dynamics_depth=64, readout_depth=64),
    input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=32, drive_depth=32, dynamics_depth=32))

#: Memories with an odd number of chunks that the block writes too, and of one chunk that only the host writes; registers, of
#: two words and of one; SPRAM, not a whole number of them; pieces; columns that begin and end within chunks; one that only the block
#: writes.
MEMORIES = {
    "wide_memory": MemoryLayout(Memory.STATE, 70, 12, ""), "narrow_memory": MemoryLayout(Memory.ROWS, 20, 8, ""),
    "pair_memory": MemoryLayout(Memory.STATE, 40, 2, ""), "single_memory": MemoryLayout(Memory.ROWS, 33, 1, ""),
    "spram_memory": MemoryLayout(Memory.WEIGHTS, 56, 40, ""), "spike_memory": MemoryLayout(Memory.SPIKES, 44, 12, ""),
    "program_memory": MemoryLayout(Memory.PROGRAM, 61, 12, ""),
    "column_memory": MemoryLayout(Memory.DRIVE, 97, 9, "", (("theta", 16), ("bias", 40), ("v_init", 41))),
    "result_memory": MemoryLayout(Memory.READOUT, 40, 8, "")}
#: The memories of a chain of three stages, besides the counters.
CHAIN = {Memory.ROWS: MemoryLayout(Memory.ROWS, 20, 8, ""), Memory.STATE: MemoryLayout(Memory.STATE, 170, 8, ""),
         Memory.DRIVE: MemoryLayout(Memory.DRIVE, 40, 8, "", (("theta", 25), ("bias", 15)))}
CHAIN_STAGES = [[(Memory.ROWS, 0), (Memory.STATE, 0)], [(Memory.STATE, 1)], [(Memory.DRIVE, 0), (Memory.COUNTERS, 0)]]
#: Widths of the counters; one is so wide that it wraps.
COUNTERS = {Counter.SCAN: 1, Counter.SYNOPS: 4, Counter.SPIKES: 32}

_TOPLEVEL = "bench"
# The runner makes every signal of the design public, which turns a build of half a minute into one of a quarter of an hour;
# a bench sees the ports only. Little optimisation by the C++ compiler: the benches are short.
_VERILATOR_FLAGS = ("--no-public-flat-rw", "-O3", "--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal", "-Wno-WIDTH",
                    "--no-timing", "-CFLAGS", "-O1")
# Icarus Verilog evaluates `always @*` only when something changes; the signal that Yosys puts into each for this has its value
# too early, so what depends on constant registers alone would stay X. It changes nothing else, and here it changes.
_WAKE = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+ ) = 0;$", re.MULTILINE)
_PORTS_PUBLIC = f'`verilator_config\npublic_flat_rw -module "{_TOPLEVEL}" -var "*"\n'


class Ring(Component):
    """Nodes joined to a ring; the ports of node n end in ``_n``."""

    start: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._nodes = [RingNode(config) for _ in range(config.nodes)]
        members = self._nodes[0].signature.members
        super().__init__({
            "start": In(1),
            **{f"{name}_{n}": members[name] for name in members if name not in ("start", "i", "i_valid")
               for n in range(config.nodes)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for n, node in enumerate(self._nodes):
            before = self._nodes[n - 1]
            m.submodules[f"node_{n}"] = node
            m.d.comb += [node.start.eq(self.start), node.i_valid.eq(before.o_valid), node.i.eq(before.o)]
            for name in node.signature.members:
                if name not in ("start", "i", "i_valid"):
                    mine, its = getattr(self, f"{name}_{n}"), getattr(node, name)
                    m.d.comb += its.eq(mine) if node.signature.members[name].flow is Flow.In else mine.eq(its)
        return m


class TwoNodes(Component):
    """A ring of two nodes with one register: the ports of `Ring`, the second node's words straight from its outbox."""

    start: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._nodes = [RingNode(config), RingNode(config, only_sends=True)]
        members = self._nodes[0].signature.members
        super().__init__({"start": In(1), **{f"{name}_{n}": members[name] for name in members if name not in ("start", "i", "i_valid")
                                             for n in range(2)}})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = self._nodes
        m.d.comb += [first.i_valid.eq(second.o_valid), first.i.eq(second.o)]
        for n, node in enumerate(self._nodes):
            m.submodules[f"node_{n}"] = node
            m.d.comb += node.start.eq(self.start)
            for name in node.signature.members:
                if name not in ("start", "i", "i_valid"):
                    mine, its = getattr(self, f"{name}_{n}"), getattr(node, name)
                    m.d.comb += its.eq(mine) if node.signature.members[name].flow is Flow.In else mine.eq(its)
        return m


class TickerWithCopy(Component):
    """A ticker, with a `TickCopy` beside it whose ports begin with ``copy``."""

    def __init__(self, config: FabricConfig) -> None:
        self._ticker, self._copy = Ticker(config), TickCopy(config)
        super().__init__({**self._ticker.signature.members, "copy": self._copy.signature.members["ticker"]})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ticker, m.submodules.copy = self._ticker, self._copy
        for path, member, mine in self.signature.flatten(self):
            block, name = (self._copy, "ticker") if path[0] == "copy" else (self._ticker, path[0])
            its = getattr(block, str(name))
            for part in path[1:]:
                its = getattr(its, str(part))
            m.d.comb += its.eq(mine) if member.flow is Flow.In else mine.eq(its)
        for name in self._copy.upcoming.signature.members:
            m.d.comb += getattr(self._copy.upcoming, name).eq(getattr(self._ticker.upcoming, name))
        return m


class Chain(Component):
    """The memories of `CHAIN` and counters, behind one bus."""

    bus: Any
    memory: Signal

    def __init__(self) -> None:
        super().__init__({"bus": In(ConfigBus()), "memory": In(MEMORY_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        targets: dict[Memory, ConfigMemory | Counters] = {
            **{number: MEMORY_KINDS.get(number, ConfigMemory)(layout) for number, layout in CHAIN.items()},
            Memory.COUNTERS: Counters(COUNTERS)}
        for number, target in targets.items():
            m.submodules[number.name.lower()] = target
        join_chain(m, platform, CHAIN_STAGES, self, targets)
        return m


class Readback(Component):
    """`answer` to a ``read`` whose ``value`` comes a clock later, and to one whose value is ``late`` and comes after two."""

    read: Signal
    value: Signal
    shown: Signal
    shown_late: Signal

    def __init__(self) -> None:
        super().__init__({"read": In(1), "value": In(CHUNK_BITS), "shown": Out(CHUNK_BITS), "shown_late": Out(CHUNK_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.shown.eq(answer(m, platform, "shown", self.value, self.read))
        if platform_form(platform).late_memories:
            m.d.comb += self.shown_late.eq(answer(m, platform, "late", self.value, self.read, late=True))
        return m


class BenchTop(Component):
    """Blocks side by side; the port ``a.b`` of block ``x`` is the top's plain port ``x_a_b``."""

    def __init__(self, blocks: Mapping[str, Component]) -> None:
        self._blocks = dict(blocks)
        self._ports = [(f"{name}_{'_'.join(map(str, path))}", member.flow, value) for name, block in self._blocks.items()
                       for path, member, value in block.signature.flatten(block)]
        super().__init__({name: (In if flow is Flow.In else Out)(len(value.as_value() if hasattr(value, "as_value") else value))
                          for name, flow, value in self._ports})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, block in self._blocks.items():
            m.submodules[name] = block
        for name, flow, value in self._ports:
            mine = getattr(self, name)
            plain = value.as_value() if hasattr(value, "as_value") else value
            m.d.comb += plain.eq(mine) if flow is Flow.In else mine.eq(plain)
        return m


def _blocks(form: Form) -> BenchTop:
    return BenchTop({
        **{name: MEMORY_KINDS.get(layout.memory, ConfigMemory)(layout) for name, layout in MEMORIES.items()},
        "counters": Counters(COUNTERS), "sequencer": Sequencer(BLOCKS),
        "scanner": (SlicedScanner if form.sliced_scan else WholeScanner)(BLOCKS),
        "lanes": Lanes(BLOCKS), "sweep": Sweep(BLOCKS, "core"), "ring": Ring(RING), "ticker": TickerWithCopy(BLOCKS),
        "input": InputUnit(BLOCKS), "chain": Chain(), "readback": Readback(),
    })


def _options(_: Form) -> BenchTop:
    return BenchTop({**{name: Sweep(config, "core") for name, config in SWEEPS.items()}, "ring_planes": Ring(COUNTED),
                     "input_planes": InputUnit(COUNTED), "pair_planes": TwoNodes(PAIR)})


def _windows(form: Form) -> BenchTop:
    return BenchTop(window_blocks(form))


@dataclass(frozen=True)
class Top:
    """A design that is built, for a technology that stands for the platform."""

    make: Callable[[Form], BenchTop]
    technology: Technology

    @property
    def form(self) -> Form:
        """The form of its blocks."""
        return form_of(self.technology)


#: The designs that are built, by name. The first one has SPRAM too.
TOPS = {
    "blocks": Top(_blocks, replace(CHECKED, spram_blocks=4)),
    "blocks_up5k": Top(_blocks, CHECKED_UP5K),
    "neurons": Top(lambda _: BenchTop(neuron_blocks()), CHECKED),
    "options": Top(_options, CHECKED),
    "options_up5k": Top(_options, CHECKED_UP5K),
    "windows": Top(_windows, CHECKED),
    "windows_up5k": Top(_windows, CHECKED_UP5K),
    "windows_whole": Top(_windows, replace(CHECKED, form=FORMS[2])),
    "windows_ahead": Top(_windows, replace(CHECKED, form=FORMS[3])),
    "wide": Top(lambda _: BenchTop(wide_lanes()), CHECKED),
    "wide_up5k": Top(lambda _: BenchTop(wide_lanes()), CHECKED_UP5K),
    "fabric": Top(lambda _: BenchTop({"fabric": Fabric(FABRIC)}), CHECKED),
    "link": Top(lambda _: BenchTop(link_blocks()), CHECKED),
    "prng": Top(lambda _: BenchTop({"prng": Prng(), "prngkey": Key(), "prngdraw": Draw()}), CHECKED),
}


def iverilog_version() -> str | None:
    """What Icarus Verilog calls itself, or None where it is not installed."""
    if shutil.which("iverilog") is None:
        return None
    done = run(["iverilog", "-V"])
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def bench_verilog(top: str) -> str:
    """One of `TOPS` as Verilog, with the models of the cells in it."""
    def make() -> str:
        made = TOPS[top]
        return verilog_of(made.make(made.form), _TOPLEVEL, made.technology)

    blocks = (Path(__file__).with_name(f"{name}_blocks.py") for name in ("link", "neuron", "window"))
    text = cached_verilog("\0".join([top, *(source.read_text() for source in (Path(__file__), *blocks))]), make)
    return text + cell_models(text)


def build_bench(top: str, simulator: str) -> Path:
    """Folder of a build of one of `TOPS` for ``verilator`` or ``icarus``; built unless the cache has it."""
    text = bench_verilog(top)
    version = metadata.version("verilator") if simulator == "verilator" else iverilog_version()
    if version is None:
        raise RanvierError(f"{simulator}: not installed")
    # cocotb's libraries are linked by their path.
    parts = [text, simulator, version, metadata.version("cocotb"), str(cocotb_tools.config.libs_dir),
             " ".join(_VERILATOR_FLAGS), _PORTS_PUBLIC, _WAKE.pattern]
    return cached_build("cocotb", parts, lambda folder: _compile(folder, text, simulator, version))


def _compile(work: Path, text: str, simulator: str, version: str) -> None:
    source = work / f"{_TOPLEVEL}.v"
    source.write_text(_WAKE.sub(r"\g<0>\n  initial #1 \1 = 1;", text) if simulator == "icarus" else text)
    sources = [source]
    if simulator == "verilator":
        (work / "ports.vlt").write_text(_PORTS_PUBLIC)
        sources.insert(0, work / "ports.vlt")
    runner = get_runner(simulator)
    log = work / "build.log"
    try:
        runtime = shared_runtime(work, [version, " ".join(_VERILATOR_FLAGS)]) if simulator == "verilator" else nullcontext()
        with runtime, _environment(tool_environment() if simulator == "verilator" else {}):
            runner.build(sources=sources, hdl_toplevel=_TOPLEVEL, build_dir=work, always=True, log_file=log,
                         timescale=("1ns", "1ps"), build_args=_VERILATOR_FLAGS if simulator == "verilator" else ())
    except RuntimeError as error:
        kept = cache_folder() / "failed-build.log"
        shutil.copyfile(log, kept)
        raise RanvierError(f"{simulator}: the build of a bench failed; its output is in {kept}") from error
    used = getattr(runner, "executable", "")
    if simulator == "verilator" and Path(used).resolve() != verilator_binary():
        raise RanvierError(f"verilator: cocotb's runner used {used}, not the package's {verilator_binary()}")


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of a build: the runner takes them from this process alone."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_bench(top: str, module: str, simulator: str, *, folder: Path, seed: int,
              variables: Mapping[str, str] | None = None) -> int:
    """Run the tests of ``ranvier.sim.benches.<module>``; the number of tests.

    ``folder`` takes logs and results. The benches draw from ``seed``. A failing test is an AssertionError with the
    first difference that the bench found.
    """
    build = build_bench(top, simulator)
    folder.mkdir(parents=True, exist_ok=True)
    results, log = folder / "results.xml", folder / "simulation.log"
    extra: dict[str, str] = {"COCOTB_LOG_LEVEL": "INFO", "RANVIER_BENCH_TOP": top, **(variables or {})}
    runner = get_runner(simulator)
    with suppress(SystemExit, RuntimeError):    # the results say more than an exit code
        runner.test(test_module=f"ranvier.sim.benches.{module}", hdl_toplevel=_TOPLEVEL, hdl_toplevel_lang="verilog",
                    build_dir=build, test_dir=folder, results_xml=str(results), log_file=log, seed=seed, extra_env=extra,
                    timescale=("1ns", "1ps"))
    count, messages = _read_results(results)
    if messages or not count:
        raise AssertionError("\n".join([f"{module} on {simulator}, seed {seed}; the log is {log}",
                                        *(messages or ["the simulation ended without results", *_tail(log)])]))
    return count


def _read_results(path: Path) -> tuple[int, list[str]]:
    """The number of tests, and a line or more for each that failed."""
    if not path.is_file():
        return 0, []
    count, messages = 0, []
    for case in ElementTree.parse(path).iter("testcase"):
        count += 1
        for kind in ("failure", "error"):
            for found in case.iter(kind):
                messages.append(f"{case.get('name')}: {found.get('message') or ''}")
    return count, messages


def _tail(log: Path) -> list[str]:
    return log.read_text().splitlines()[-15:] if log.is_file() else []
