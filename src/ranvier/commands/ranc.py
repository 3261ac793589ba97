"""`ranvier import ranc`: a network of RANC as a `.ranvier` file, and what its neurons send."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.network import save_network
from ..files.safe import json_bytes, shown, write_atomic
from ..frontends.ranc import Bus, bus_lines, input_values, load_packets, ranc_network, read_images, read_json, sent_packets
from ..model.errors import RanvierError
from ..model.run.golden import run_golden

__all__ = ["RancOptions", "import_ranc", "ranc_rows"]


@dataclass(frozen=True)
class RancOptions:
    """The command's options."""

    equality: str
    grid: tuple[int, int] | None = None
    output_bus: tuple[int, int, int] | None = None
    packets: Path | None = None
    ticks: int | None = None
    lines: Path | None = None
    sent: Path | None = None


def import_ranc(source: Path, output: Path, options: RancOptions) -> dict[str, Any]:
    """Write the network, and with ``ticks`` what it does; what was imported, as plain JSON values. Raises `RanvierError`."""
    if (options.lines or options.sent) and options.ticks is None:
        raise RanvierError("import ranc: --lines and --sent need --ticks, how long the network runs")
    bus = None if options.output_bus is None else _bus(*options.output_bus)
    if source.is_dir():
        if options.grid is None:
            raise RanvierError(f"{shown(source)}: images do not say how wide the grid is; give --grid X Y")
        file = read_images(source, options.grid, bus)
    else:
        file = read_json(source, options.grid, bus)
    packets = load_packets(options.packets) if options.packets else file.packets
    network = ranc_network(file, options.equality, packets)
    files: list[tuple[Path, bytes]] = []
    report: dict[str, Any] = {"network": str(output), "equality": options.equality, "cores": len(file.cores),
                              "neurons": sum(len(cell.neurons) for cell in file.cores.values()),
                              "inputs": len(network.info["ranc"]["inputs"]),
                              "relays": sum(p.size for p in network.populations if p.name.endswith("/axons")),
                              "weight_bits": network.weight_bits}
    if options.ticks is not None:
        run = run_golden(network, input_values(network, packets, options.ticks), options.ticks, record=True, endless=True)
        sent = sent_packets(network, run)
        report |= {"ticks": options.ticks, "packets": sum(map(len, sent)), "clamps": int(sum(found.sum() for found in run.clamps.values()))}
        if options.lines:
            files.append((options.lines, "".join(line + "\n" for line in bus_lines(network, sent)).encode()))
        if options.sent:
            files.append((options.sent, json_bytes(sent, shown(options.sent))))
    save_network(network, output)
    for path, data in files:
        write_atomic(path, data)
    return report


def _bus(x: int, y: int, outputs: int) -> Bus:
    if not 1 <= outputs <= 1 << 16:
        raise RanvierError(f"import ranc: --output-bus has {outputs} outputs; it must be 1 to {1 << 16}")
    return Bus((x, y), outputs)


def ranc_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The report as a table."""
    return [(name.replace("_", " "), str(value)) for name, value in report.items() if name != "network"]
