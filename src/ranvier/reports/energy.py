"""The table of `ranvier energy`, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["ENERGY_HEADER", "energy_lines", "energy_markdown", "energy_rows", "joules_text", "markdown_table", "memory_rows"]

ENERGY_HEADER = ("network", "right (95 %)", "spikes", "operations", "us", "energy a sample", "of that encoder", "against its twin",
                 "spike rate", "wins below")
_UNITS = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def joules_text(ends: Sequence[float], unit: str = "J") -> str:
    """An interval of joules (or watts) with a fitting unit: ``12.3 nJ``, ``12.3 to 45.6 nJ``."""
    low, high = ends
    scale, name = next(((scale, name) for scale, name in _UNITS if abs(high) >= scale), _UNITS[-1])
    name = name.replace("J", unit)
    if high - low <= 0.005 * abs(high):
        return f"{high / scale:.3g} {name}"
    return f"{low / scale:.3g} to {high / scale:.3g} {name}"


def energy_rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for each network, per sample."""
    return [_row(row, report["samples"]) for row in report["rows"]]


def _row(row: dict[str, Any], samples: int) -> tuple[str, ...]:
    right = "-"
    if row["accuracy"] is not None:
        low, high = row["accuracy_95"]
        right = f"{100 * row['accuracy']:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
    elif "rms_error" in row:
        right = f"rms error {row['rms_error']:.4g}"
    energy = "not in this table" if row["joules"] is None else joules_text(row["joules"]["total"])
    if row["kind"] == "float":
        return (row["name"], right, "-", f"{row['macs']:,} MACs", "-", energy, "-", "-", "-", "-")
    totals = row["totals"]
    operations = ", ".join(f"{count / samples:,.0f}" for count in totals["synaptic_operations"].values())
    return (row["name"], right, f"{sum(totals['spikes'].values()) / samples:,.1f}", operations, f"{row['us_per_sample']:.2f}", energy,
            joules_text(row["joules"]["parts"]["encoder"]), _verdict(row),
            f"{100 * row['spike_rate']:.2f} %" if row["spike_bits"] == 1 else "-", _break_even(row))


def _verdict(row: dict[str, Any]) -> str:
    if "verdict" not in row:
        return "is its own twin" if row["kind"] == "spiking" and row["ticks"] == 1 and row["spike_bits"] == 1 else "-"
    return {"undecided": "wins or loses"}.get(row["verdict"], str(row["verdict"]))


def _break_even(row: dict[str, Any]) -> str:
    ends = row.get("break_even_spike_rate")
    if ends is None:
        return "-"
    low, high = (100 * max(0.0, end) for end in ends)
    if high <= 0:
        return "no rate"
    return f"{high:.2f} %" if high - low < 0.005 else f"{low:.2f} to {high:.2f} %"


def memory_rows(row: dict[str, Any], samples: int) -> list[tuple[str, ...]]:
    """Reads and writes of each memory, a sample: part, memory, reads, writes, bits read, bits written."""
    return [(part, memory, *(f"{counts[name] / samples:,.1f}" for name in ("reads", "writes", "read_bits", "written_bits")))
            for part, memories in row["totals"]["memories"].items() for memory, counts in memories.items()]


def energy_lines(report: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    table, published = report["table"], report["published"]
    lines = [f"table {table['name']} version {table['version']}: {table['about']}",
             f"board {report['board']} at {report['clock_hz'] / 1e6:g} MHz, a stream of {report['samples']:,} samples; "
             "nothing was measured on a board",
             f"{published['source']}: a network at T = {published['ticks']} has to spike at less than "
             f"{100 * published['spike_rate']:.1f} % there"]
    pairs = ", ".join(f"{row['name']} with {row['against']}" for row in report["rows"] if "verdict" in row)
    if pairs:
        lines.append(f"compared: {pairs}; 'wins below' is the spike rate at which the spiking network would win")
    if any(row.get("verdict") == "undecided" for row in report["rows"]):
        lines.append("'wins or loses': the table's intervals allow both")
    for row in report["rows"]:
        if "at_rate" in row:
            found = row["at_rate"]
            parts = ", ".join(f"{name} {joules_text(found['watts'][name], 'W') if any(found['watts'][name]) else 'not in this table'}"
                              for name in ("static", "clock", "dynamic"))
            lines.append(f"{row['name']} at {report['rate']:g} samples a second: {joules_text(found['watts']['total'], 'W')} ({parts}), "
                         f"{joules_text(found['joules'])} a sample")
    if "syntzulu" in report:
        found = report["syntzulu"]
        lines.append(f"check: SYNtzulu by this table {joules_text(found['predicted_watts'], 'W')}, measured "
                     f"{found['measured_watts'] * 1e3:g} mW: {'inside' if found['inside'] else 'OUTSIDE'}")
    return [*lines, *(f"note: {note}" for note in report["notes"])]


def energy_markdown(report: dict[str, Any]) -> str:
    """The report as a page: the table, energies by part and kind, reads and writes by memory, hops and clocks."""
    samples = report["samples"]
    text = [f"# Energy of {report['network']}", "", *markdown_table(ENERGY_HEADER, energy_rows(report)), "",
            *(f"- {line}" for line in energy_lines(report)), "", "![Energy against accuracy](energy.png)", "", "## By part and kind", ""]
    names = ("network", "encoder", "link", "static", "clock", "dynamic")
    text += markdown_table(("network", *(f"{name} (part)" if name in names[:3] else name for name in names)), [
        (row["name"], *(joules_text({**row["joules"]["parts"], **row["joules"]["kinds"]}[name]) for name in names))
        for row in report["rows"] if row["joules"] is not None])
    for row in report["rows"]:
        if row["totals"] is None:
            continue
        totals = row["totals"]
        busy = ", ".join(f"{count / samples:,.1f}" for count in totals["busy_clocks"])
        idle = ", ".join(f"{count / samples:,.1f}" for count in totals["idle_clocks"])
        widths = ", ".join(totals["synaptic_operations"])
        updates = ", ".join(f"{count / samples:,.0f} of the {part} ({totals['swept_lanes'][key] / samples:,.0f} lanes swept)"
                            for part, key, count in (("network", "core", totals["neuron_updates"]["core"]),
                                                     ("encoder", "input", totals["neuron_updates"]["input"])))
        text += ["", f"## {row['name']}", "",
                 f"{row['parameters']:,} parameters; {row['macs']:,} synapses. Neuron updates of a sample: {updates}.", "",
                 f"A sample: {row['clocks_per_sample']:,.1f} clocks; by unit, the input unit last, {busy} busy and {idle} idle. "
                 f"{totals['hops'] / samples:,.1f} hops of spike words; synaptic operations of a {widths}; the line carries "
                 f"{row['line_bytes_per_sample']:,.0f} bytes in {row['line_us_per_sample']:,.0f} us, whose energy is in no table.", "",
                 *markdown_table(("part", "memory", "reads", "writes", "bits read", "bits written"), memory_rows(row, samples)), "",
                 *markdown_table(("what", "part", "kind", "count", "each", "energy", "source"), [
                     (term["name"], term["part"], term["kind"], f"{term['count']:,.6g}",
                      joules_text(term["joules_each"], "W" if term["name"].endswith("seconds") else "J"),
                      joules_text(term["joules"]), term["source"]) for term in row["terms"]])]
    return "\n".join(text) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, a line each."""
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    return [line(header), line(["---"] * len(header)), *map(line, rows)]
