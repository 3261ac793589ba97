"""Energy against accuracy, a network and its twins in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .figures import save_figure

__all__ = ["draw_energy"]

_MARKS = {"spiking": ("o", "black", "spiking"), "graded": ("s", "tab:blue", "graded, T = 1"), "twin": ("D", "tab:green", "twin"),
          "float": ("^", "tab:red", "conventional, float32 (operations and parameters only)")}


def draw_energy(report: dict[str, Any], path: Path) -> None:
    """A mark a network: energy across, logarithmic, with what the table leaves open; share of right answers up, with its interval.

    Without accuracies the networks stand one below the other.
    """
    from matplotlib import pyplot as plt
    rows = [row for row in report["rows"] if row["joules"] is not None and row["joules"]["total"][1] > 0]
    judged = all(row["accuracy"] is not None for row in rows)
    figure, axis = plt.subplots(figsize=(8, 4.6), layout="constrained")
    shown: set[str] = set()
    for place, row in enumerate(rows):
        mark, colour, label = _MARKS[row["kind"]]
        low, high = (1e9 * end for end in row["joules"]["total"])
        height = 100 * row["accuracy"] if judged else float(-place)
        above = [[height - 100 * row["accuracy_95"][0]], [100 * row["accuracy_95"][1] - height]] if judged else None
        middle = (low * high) ** 0.5 if low > 0 else high
        axis.errorbar([middle], [height], xerr=[[middle - low], [high - middle]], yerr=above, fmt=mark, color=colour, capsize=3,
                      markersize=6, elinewidth=1, label=None if label in shown else label)
        shown.add(label)
        left = row["kind"] != "graded"
        axis.annotate(row["name"].removesuffix(", T = 1").removeprefix("graded, "), (middle, height), xytext=(-5, 5) if left else (4, -12),
                      textcoords="offset points", horizontalalignment="right" if left else "left", fontsize=8, color=colour)
    axis.set_xscale("log")
    axis.set_xlabel(f"nJ a sample, table {report['table']['name']} version {report['table']['version']} (bars: what the table leaves open)")
    if judged:
        axis.set_ylabel("right answers, % (bars: 95 %)")
    else:
        axis.set_yticks([])
    axis.grid(True, which="major", alpha=0.3)
    axis.set_title(f"{Path(report['network']).name}, {report['samples']:,} samples; nothing was measured on a board", fontsize=10)
    axis.legend(fontsize=8, loc="best")
    save_figure(figure, path)
    plt.close(figure)
