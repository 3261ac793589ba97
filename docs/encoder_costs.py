"""Measures what each encoder costs in spikes and keeps in information, and writes the tables of `encoders.md`.

    python docs/encoder_costs.py

`tests/encoders/test_costs.py` fails while the page differs from what this measures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import encoders

__all__ = ["PAGE", "page_with_tables"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "encoders.md"

Array = npt.NDArray[Any]
#: All values of 8 bits, equally likely.
LEVELS = np.arange(256) / 255
STEPS = 16


@dataclass(frozen=True)
class _Code:
    """An encoder with its options, as the table names it."""

    name: str
    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array] | None
    #: Spikes are drawn: information and errors are then those of the number of spikes.
    drawn: bool = False


def _codes() -> Iterable[_Code]:
    latency = {"normalize": True, "linear": True}
    yield _Code(f"`rate`, {STEPS} steps", lambda x: encoders.rate(x, STEPS), encoders.decode_rate)
    yield _Code("`rate`, 255 steps", lambda x: encoders.rate(x, 255), encoders.decode_rate)
    yield _Code(f"`rate`, Bernoulli, {STEPS} steps", lambda x: encoders.rate(x, STEPS, method="bernoulli"), None, drawn=True)
    yield _Code(f"`latency`, linear, {STEPS} steps", lambda x: encoders.latency(x, STEPS, **latency),
                lambda s: encoders.decode_latency(s, **latency))
    yield _Code(f"`latency`, logarithmic, {STEPS} steps", lambda x: encoders.latency(x, STEPS, normalize=True), None)
    yield _Code("`phase`, 8 steps", lambda x: encoders.phase(x, 8), encoders.decode_phase)
    yield _Code("`phase`, 4 steps", lambda x: encoders.phase(x, 4), encoders.decode_phase)
    yield _Code(f"`burst`, 5 spikes, {STEPS} steps", lambda x: encoders.burst(x, STEPS), encoders.decode_burst)
    yield _Code(f"`population`, 8 neurons, {STEPS} steps", lambda x: encoders.population(x, STEPS), encoders.decode_population)


def _entropy(shares: Array) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())


def _bits(code: _Code, spikes: Array) -> float:
    """Information that the spikes hold about which of the levels it was, of 8 bits."""
    if not code.drawn:
        _, counts = np.unique(np.moveaxis(spikes, 1, 0).reshape(len(LEVELS), -1), axis=0, return_counts=True)
        return _entropy(counts / len(LEVELS))
    # Draws of one value are alike, so their number says all: what it tells is its entropy less that which is left where x is known.
    binomial = np.array([[math.comb(STEPS, n) * x**n * (1 - x) ** (STEPS - n) for n in range(STEPS + 1)] for x in LEVELS.tolist()])
    return _entropy(binomial.mean(axis=0)) - float(np.mean([_entropy(row) for row in binomial]))


def _errors(code: _Code, spikes: Array) -> tuple[str, str]:
    """The largest and the root of the mean square."""
    if code.drawn:
        return "1.0000", f"{math.sqrt(float((LEVELS * (1 - LEVELS) / STEPS).mean())):.4f}"
    if code.decode is None:
        return "-", "-"
    wrong = np.abs(code.decode(spikes) - LEVELS)
    return f"{wrong.max():.4f}", f"{math.sqrt(float((wrong**2).mean())):.4f}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def values_table() -> str:
    """Codes of values that are held."""
    with np.load(ROOT / "examples" / "digits" / "mnist_test.npz") as file:
        pixels = file["pictures"][:100].reshape(100, -1) / 255
    rows = []
    for code in _codes():
        spikes = code.encode(LEVELS)
        most, mean = _errors(code, spikes)
        if code.drawn:    # its mean is known, and no draw's luck
            cost, digits = STEPS * float(LEVELS.mean()), STEPS * float(pixels.mean())
        else:
            cost, digits = float(spikes.sum()) / len(LEVELS), float(code.encode(pixels).sum()) / pixels.size
        bits = _bits(code, spikes)
        rows.append((code.name, f"{cost:.2f}", f"{digits:.2f}", f"{bits:.2f}", f"{bits / cost:.2f}", most, mean))
    return _table(("encoder", "spikes a value", "spikes a pixel of a digit", "bits kept of 8", "bits a spike", "largest error",
                   "rms error"), rows)


def changes_table() -> str:
    """Codes of values that change: a wave that grows faster and faster, over 400 steps."""
    time = np.arange(400) / 400
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (time + 4 * time**2))
    rows = []
    for threshold in (0.02, 0.05, 0.1):
        counts = encoders.send_on_delta(wave, threshold=threshold)
        found = encoders.decode_send_on_delta(counts, threshold=threshold)
        single = encoders.send_on_delta(wave, threshold=threshold, most=1)
        slow = encoders.decode_send_on_delta(single, threshold=threshold)
        simple = encoders.delta(wave, threshold=threshold, off_spike=True)
        summed = encoders.decode_send_on_delta(simple, threshold=threshold)
        for name, spikes, decoded in (("`send_on_delta`", counts, found), ("`send_on_delta`, most=1", single, slow),
                                      ("`delta`, its spikes added up", simple, summed)):
            wrong = np.abs(decoded - wave)
            rows.append((f"{name}, threshold {threshold:g}", f"{np.abs(spikes.astype(int)).sum()}", f"{wrong.max():.3f}",
                         f"{math.sqrt(float((wrong**2).mean())):.3f}"))
    return _table(("encoder", "spikes in 400 steps", "largest error", "rms error"), rows)


def page_with_tables(page: str) -> str:
    """``page`` with its two tables measured again."""
    for name, make in (("values", values_table), ("changes", changes_table)):
        block = f"<!-- {name}: measured by docs/encoder_costs.py -->\n{make()}\n<!-- end -->"
        page, found = re.subn(rf"<!-- {name}: .*?<!-- end -->", lambda _, block=block: block, page, flags=re.DOTALL)
        assert found == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
