"""Tables: reports as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..files.safe import load_json
from ..mapping.limit import LIMITS
from ..model.errors import RanvierError
from ..model.fabric.config import size_text

__all__ = ["demo_rows", "fabric_text", "limit_text", "load_report", "note_lines", "print_rows", "run_rows", "semantics_lines"]


def print_rows(title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """A table on standard output, as wide as its text where that is not a terminal. Brackets in the text stay brackets."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    for n, name in enumerate(header):
        table.add_column(name, justify="left" if n == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def load_report(folder: Path) -> dict[str, Any]:
    """The ``report.json`` of a folder that `ranvier demo` or `ranvier run` wrote."""
    path = folder / "report.json"
    report = load_json(path)
    if not isinstance(report, dict):
        raise RanvierError(f"{path}: it is not a report; make one with 'ranvier demo' or 'ranvier run'")
    return report


def demo_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The demo's one table."""
    try:
        return _demo_rows(report)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RanvierError(f"report.json: a figure is missing or is not what it should be ({error}); "
                           "run the demo again") from error


def _demo_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    fabric = report["fabric"]
    ticks = report["ticks"]
    rows = [("ANN accuracy", f"{100 * report['ann_accuracy']:.2f} %")]
    weights = f"{report['weight_bits']}-bit weights"
    rows += [(f"SNN accuracy, {steps} tick{'s' if int(steps) > 1 else ''}, {weights}", f"{100 * accuracy:.2f} %")
             for steps, accuracy in report["snn_accuracy"].items()]
    spikes = report["spikes_per_sample"]
    rows += [
        ("pictures compared in RTL", f"{report['rtl_samples']:,}"),
        ("mismatches (spikes, membranes, counters, clocks)", f"{report['rtl_mismatches']:,}"),
        ("fabric", size_text(fabric['cores'], fabric['core']['lanes'])),
        (f"clocks per picture at {ticks} ticks, latency of one", f"{report['clocks_per_sample']:.1f}"),
        (f"clocks per picture at {ticks} ticks, in a stream", f"{report['clocks_per_sample_stream']:.1f}"),
        ("clocks per tick, in a stream", f"{report['clocks_per_tick']:.1f}"),
        ("weight words per picture on the busiest core (the limit)", f"{report['weight_words_on_busiest_core']:.1f}"),
        ("share of the weight-memory limit while work is queued", f"{100 * report['weight_limit_share']:.1f} %"),
        ("spikes per picture, input / hidden", f"{spikes['input']:.1f} / {spikes['hidden']:.1f}"),
        ("synaptic operations per picture", f"{report['synaptic_operations_per_sample']:,.0f}"),
        ("membranes changed by a clamp", f"{report['clamps']:,}"),
    ]
    return rows


def limit_text(limit: dict[str, Any]) -> str:
    """What the clocks hang on, and the share of them that each of the three needs."""
    shares = ", ".join(f"{name} {100 * limit[name]:.0f} %" for name in LIMITS)
    return f"{limit['name']} (of all clocks: {shares})"


def fabric_text(fabric: dict[str, Any]) -> str:
    """A fabric's size, with its sweep lanes and words."""
    return (f"{size_text(fabric['cores'], fabric['core']['lanes'])}, {fabric['core']['sweep_lanes']} sweep lanes a core, "
            f"{fabric['input']['sweep_lanes']} in the input unit, words of {fabric['word_bits']} bits")


def run_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The table of `ranvier run`."""
    try:
        fabric = report["fabric"]
        rows = [("samples", f"{report['samples']:,}"), ("ticks", str(report["ticks"])),
                ("fabric", "none" if fabric is None else size_text(fabric['cores'], fabric['core']['lanes'])), *_answer_rows(report)]
        if fabric is None:
            return rows + [(f"counter {name}", f"{value:,}") for name, value in report["counters"].items()]
        if "sizing" in report:
            rows += [("tailored", fabric_text(fabric)), ("limit", limit_text(report["sizing"]["limit"]))]
        if "rtl_mismatches" in report:
            rows += [("samples compared", f"{report['rtl_samples']:,}"), ("mismatches", f"{report['rtl_mismatches']:,}")]
        if "mismatches" in report:
            rows += [("samples compared", f"{report['compared_samples']:,}"), ("mismatches", f"{report['mismatches']:,}")]
        if "clocks_per_sample" in report:
            rows += [("board", f"{report['board']}, {report['clock_hz'] / 1e6:g} MHz"),
                     ("clocks per sample, each by itself", f"{report['clocks_per_sample']:.1f}")]
        else:
            rows.append(("clocks per sample, in a stream", f"{report['clocks_per_sample_stream']:.1f}"))
        if "samples_per_second" in report:
            rows.append(("samples per second, over the line", f"{report['samples_per_second']:.1f}"))
        rows += [("share of the weight-memory limit while work is queued", f"{100 * report['weight_limit_share']:.1f} %")]
        return rows + [(f"counter {name}", f"{value:,}") for name, value in report["counters"].items()]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RanvierError(f"report.json: a figure is missing or is not what it should be ({error}); "
                           "make the run again") from error


def _answer_rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """How good the answers are, and whether clamps had a part in them."""
    rows = []
    if "accuracy" in report:
        rows.append(("accuracy", f"{100 * report['accuracy']:.2f} %"))
    if "rms_error" in report:
        rows += [("mean absolute error", f"{report['mean_absolute_error']:.4g}"), ("rms error", f"{report['rms_error']:.4g}")]
    return rows + [(f"samples in which {name} was clamped", f"{count:,} of {report['samples']:,}")
                   for name, count in report.get("clamped_samples", {}).items()]


def note_lines(report: dict[str, Any]) -> list[str]:
    """The report's notes, a line each."""
    notes = report.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise RanvierError("report.json: the notes are not what they should be; make the run again")
    return [f"note: {' '.join(note.split())}" for note in notes]


def semantics_lines(report: dict[str, Any]) -> list[str]:
    """How the populations of a report step, one line for those that step alike."""
    groups: dict[str, list[str]] = {}
    try:
        for name, rule in report["semantics"].items():
            dt = "no time step" if rule["dt"] is None else f"dt {rule['dt']} s"
            moment = rule["reset_moment"].replace("_", " ")
            text = (f"spike at u {'>' if rule['strict'] else '>='} theta, reset {rule['reset']} in the {moment}, "
                    f"{rule['integrator']}, {dt}")
            groups.setdefault(text, []).append(name)
    except (KeyError, TypeError, AttributeError) as error:
        raise RanvierError(f"report.json: the semantics are not what they should be ({error}); make the report again") from error
    return [f"semantics of {', '.join(names)}: {text}" for text, names in groups.items()]
