"""`ranvier generate`: the device as plain Verilog, for other tools and other boards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .. import __version__
from ..files.safe import write_atomic, write_json
from ..model.errors import RanvierError
from ..model.fabric.config import size_text
from ..model.fabric.device_config import DeviceConfig
from .folder import replaced_folder

__all__ = ["GENERATED", "generate_verilog", "port_table"]

#: Marks a folder that `ranvier generate` made, and may be replaced.
GENERATED = "device.json"
TOP = "ranvier"

_MEANINGS = {
    "clk": "clock of everything; the design was made for {mhz:.3f} MHz, which it also states to the host",
    "rst": "reset, high for at least one clock after power-up; memories keep what they hold",
    "i__payload": "byte from the host", "i__valid": "the byte is there", "i__ready": "always 1",
    "o__payload": "byte to the host", "o__valid": "the byte is there", "o__ready": "it is taken in this clock",
    "broken": "1 if a byte of i was lost or damaged; 0 where that cannot be",
    "line_break": "1 while the host signals a break; 0 where that cannot be",
    "o_idle": "1 if every byte of o has left; 1 where that cannot be known",
    "rx": "line from the host, from any clock; 1 at rest", "tx": "line to the host",
    "reset": "button, from any clock: high resets everything but the memories; 0 where there is none",
    "divisor": "clocks a bit that the host asked for; for a UART in front",
    "heartbeat": "light: the clock runs", "busy": "light: the fabric runs",
    "error": "light: a frame was dropped, a command refused or a spike word lost since the last hello",
}


def port_table(verilog: str, mhz: float) -> list[tuple[str, str, int, str]]:
    """Ports of the top module: name, direction, width, meaning."""
    found = re.search(rf"^module {TOP}\((.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL)
    ports = re.findall(r"^\s*(input|output)\s+(?:reg |wire )?\s*(?:\[(\d+):0\]\s*)?(\w+)\s*;", found[1] if found else "", re.MULTILINE)
    return [(name, way, int(high or 0) + 1, _MEANINGS.get(name, "").format(mhz=mhz)) for way, high, name in ports]


def generate_verilog(config: DeviceConfig, output: Path, *, uart: bool = False) -> dict[str, Any]:
    """Write Verilog, a FuseSoC core file, a README and the configuration into ``output``; what was written.

    The top has byte streams, or with ``uart`` the lines rx and tx. Raises `RanvierError`.
    """
    from ..rtl.device import device_verilog, stream_device_verilog
    text = device_verilog(config) if uart else stream_device_verilog(config)
    if uart:
        text = re.sub(r"\bmodule device\b", f"module {TOP}", text, count=1)
    ports = port_table(text, config.clock_hz / 1e6)
    if not ports:
        raise RanvierError("generate: the Verilog has no ports; this is a defect, please report it")
    files = {f"{TOP}.v": text, f"{TOP}.core": _core_file(config), "README.md": _readme(config, ports, uart)}
    with replaced_folder(output, GENERATED) as folder:
        for name, content in files.items():
            write_atomic(folder / name, content.encode())
        write_json(folder / GENERATED, {"ranvier": __version__, "top": TOP, "uart": uart, "device": config.to_json(),
                                        "digest": config.fabric.digest})
    return {"folder": str(output), "files": sorted([*files, GENERATED]), "top": TOP,
            "ports": [{"name": name, "direction": way, "width": width, "meaning": meaning} for name, way, width, meaning in ports]}


def _core_file(config: DeviceConfig) -> str:
    """A FuseSoC core file (CAPI2)."""
    return f"""CAPI=2:
name: ranvier:ranvier:{TOP}:{__version__}
description: Spiking neural network device, fabric {config.fabric.digest}

filesets:
  rtl:
    files:
      - {TOP}.v
    file_type: verilogSource

targets:
  default: &default
    filesets:
      - rtl
    toplevel: {TOP}
  lint:
    <<: *default
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options:
          - -Wno-fatal
"""


def _readme(config: DeviceConfig, ports: list[tuple[str, str, int, str]], uart: bool) -> str:
    fabric = config.fabric
    rows = "\n".join(f"| `{name}` | {way} | {width} | {meaning} |" for name, way, width, meaning in ports)
    link = ("The lines `rx` and `tx` are a UART" if uart else
            "A transfer of a stream happens in each clock in which `valid` and `ready` are both 1. Put a UART, a USB endpoint or a bus "
            "bridge in front of the streams")
    return f"""# Ranvier {__version__} as Verilog

Module `{TOP}` in `{TOP}.v`: plain Verilog without vendor primitives. Memories are inferred. Made for
{size_text(fabric.cores, fabric.core.lanes)}, configuration `{fabric.digest}` (all of it in `{GENERATED}`).

{link}; the protocol is that of the host link (docs/link.md in the project). The host side is `ranvier`.

| port | direction | bits | meaning |
| --- | --- | --- | --- |
{rows}

`{TOP}.core` is for FuseSoC: `fusesoc library add ranvier .`, then depend on `ranvier:ranvier:{TOP}`.
"""
