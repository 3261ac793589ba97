"""The build report as a person reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..model.errors import RanvierError
from ..model.fabric.config import size_text
from .tables import limit_text

__all__ = ["build_rows", "seed_lines"]

T = TypeVar("T")


def build_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The one table of a build. Raises `RanvierError` where ``build.json`` is not one, or tells of a failed build."""
    if "error" in report:
        raise RanvierError(f"build.json: the build failed: {report['error']}")
    return _checked(_rows, report)


def seed_lines(report: dict[str, Any]) -> list[str]:
    """What every seed came to, one line for each clock that was tried. Raises as `build_rows` does."""
    return _checked(_seeds, report)


def _checked(make: Callable[[dict[str, Any]], list[T]], report: dict[str, Any]) -> list[T]:
    try:
        return make(report)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError) as error:
        raise RanvierError(f"build.json: a figure is missing or is not what it should be ({error}); build again") from error


def _rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    fabric, capacity = report["device"]["fabric"], report["capacity"]
    rows = [("board", f"{report['title']} ({report['chip']})"), ("bitstream", report["bitstream"]),
            ("fabric", f"{report['kind']}, {size_text(capacity['cores'], capacity['lanes'])}, {report['digest']}"),
            ("number format", f"{fabric['weight_bits']}-bit weights, {fabric['state_bits']}-bit membranes")]
    rows += [(cell["name"], f"{cell['used']:,} of {cell['available']:,} ({100 * cell['used'] / cell['available']:.0f} %)")
             for cell in report["resources"]]
    rows.append(("clock used", f"{report['clock_hz'] / 1e6:.3f} MHz"))
    rows += [(f"Fmax of {clock['name']}", f"{clock['achieved']:.2f} MHz for {clock['asked']:.2f} MHz") for clock in report["clocks"]]
    if report.get("slowest_path"):
        rows.append(("slowest path", str(report["slowest_path"])))
    rows += [("placement seed", _seed(report["seed"], report["seeds"])),
             ("neurons, synapses at most", f"{capacity['neurons']:,}, {capacity['synapses']:,}"),
             ("synaptic operations a second at most", f"{capacity['operations'] / 1e9:.2f} G")]
    rows += _prediction(report["prediction"], report["device"]["baud"])
    seconds = report["seconds"]
    rows.append(("build time", ", ".join(f"{name} {seconds[name]:.0f} s" for name in ("synthesis", "placement", "total"))))
    return rows


def _seed(chosen: int, tried: list[int]) -> str:
    others = ", ".join(str(seed) for seed in tried if seed != chosen)
    return f"{chosen} (also tried: {others})" if others else str(chosen)


def _prediction(found: dict[str, Any] | None, baud: int) -> list[tuple[str, str]]:
    if found is None:
        return []
    basis = f"mean of {found['samples']} samples" if found["basis"] == "samples" else "at worst, every neuron spikes in every tick"
    return [(f"inference of {found['ticks']} ticks, {basis}", f"{found['us']:.2f} us ({found['clocks']:.1f} clocks)"),
            ("  in a stream", f"{found['stream_us']:.2f} us"),
            *([("  limit", limit_text(found["limit"]))] if "limit" in found else []),
            (f"  what the link needs for an input, {baud:,} baud", f"{found['link_us']:,.0f} us ({found['link_bytes']} bytes)")]


def _seeds(report: dict[str, Any]) -> list[str]:
    lines = []
    for attempt in report["attempts"]:
        found = [f"seed {seed} {fmax:.2f} MHz" for seed, fmax in attempt["seeds"].items()]
        found += [f"seed {seed} failed" for seed in attempt["failed_seeds"]]
        found += [] if attempt["met"] else ["timing not met"]
        lines.append(f"placed for {attempt['clock_hz'] / 1e6:.3f} MHz: {', '.join(found)}")
    return lines
