"""Counts and prices every example of `energy.toml`: JSON, Markdown and a picture for each, and one page with all tables.

    python examples/energy.py -o build/energy [NAME ...]
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from ranvier.commands.convert import ConvertOptions, convert_file
from ranvier.commands.energy import EnergyOptions, energy_report, write_energy
from ranvier.files.safe import write_atomic
from ranvier.model.errors import RanvierError
from ranvier.reports.energy import ENERGY_HEADER, energy_lines, energy_rows, markdown_table

_HERE = Path(__file__).parent


def examples() -> list[dict[str, Any]]:
    """The entries of `energy.toml`."""
    found: list[dict[str, Any]] = tomllib.loads((_HERE / "energy.toml").read_text())["example"]
    return found


def missing(example: dict[str, Any]) -> list[str]:
    """Its files that are not there."""
    names = [example[key] for key in ("network", "onnx", "samples", "calibrate") if key in example] + example.get("twins", [])
    return [name for name in names if not (_HERE / name).is_file()]


def run(example: dict[str, Any], table: str, output: Path) -> dict[str, Any]:
    """One example by one table; the report, which is also in ``output``."""
    def path(key: str) -> Path | None:
        return _HERE / example[key] if key in example else None
    twins, network = [_HERE / name for name in example.get("twins", [])], path("network")
    if network is None:
        network = output.parent / f"{output.name}.ranvier"
        network.parent.mkdir(parents=True, exist_ok=True)
        convert_file(_HERE / example["onnx"], network, ConvertOptions(
            None, path("calibrate"), None, None, example["ticks"], 4, example.get("state_bits", 16), 99.9, None, None, None, None))
        twins.insert(0, _HERE / example["onnx"])
    report = energy_report(EnergyOptions(
        network, _HERE / example["samples"], tuple(twins), table, limit=example.get("limit"), calibrate=path("calibrate"),
        rate=example.get("rate")))
    write_energy(output, report)
    return report


def main() -> None:
    """Run all examples, or those that are named."""
    parser = argparse.ArgumentParser(description="Energy of the examples; see docs/energy.md.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/energy"))
    arguments = parser.parse_args()
    known = [example["name"] for example in examples()]
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"there is no example {unknown[0]}; there are {', '.join(known)}")
    page = ["# Energy of the examples", ""]
    for example in examples():
        if arguments.names and example["name"] not in arguments.names:
            continue
        if gone := missing(example):
            print(f"{example['name']}: left out, for {', '.join(gone)} is not there")
            continue
        for table in example["tables"]:
            name = f"{example['name']}-{table}"
            report = run(example, table, arguments.output / name)
            page += [f"## {example['name']}, {table}", "", *markdown_table(ENERGY_HEADER, energy_rows(report)), "",
                     *(f"- {line}" for line in energy_lines(report)), "", f"![Energy against accuracy]({name}/energy.png)", ""]
            print(f"{name}: {arguments.output / name}")
    write_atomic(arguments.output / "energy.md", ("\n".join(page)).encode())


if __name__ == "__main__":
    try:
        main()
    except RanvierError as error:
        raise SystemExit(f"error: {error}") from None
