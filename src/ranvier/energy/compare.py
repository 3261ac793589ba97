"""Whether one network takes less than another by a table, and at which spike rate it would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

from .interval import Interval
from .table import Term

__all__ = ["Verdict", "break_even", "difference", "verdict_of"]

Verdict = Literal["wins", "loses", "equal", "undecided"]


def difference(one: Sequence[Term], other: Sequence[Term]) -> Interval:
    """Joules that a sample of ``one`` takes beyond one of ``other``, whatever the unknowns are; they are the same for both."""
    low = high = 0.0
    for name in dict.fromkeys(term.unknown for term in [*one, *other]):
        ends = [sum(end(t) for t in one if t.unknown == name) - sum(end(t) for t in other if t.unknown == name) for end in (_low, _high)]
        low, high = low + min(ends), high + max(ends)
    return Interval(low, high)


def verdict_of(beyond: Interval) -> Verdict:
    """What a `difference` means for the first network; ``undecided`` where the table cannot tell."""
    if beyond.low == beyond.high == 0:
        return "equal"
    return "wins" if beyond.high < 0 else "loses" if beyond.low > 0 else "undecided"


def break_even(one: Sequence[Term], other: Sequence[Term], rate: float) -> Interval | None:
    """The spike rate at which ``one``, whose rate is ``rate``, would take as much as ``other``.

    What goes with spikes is scaled, the rest stays. Below 0 no rate would do. None where nothing goes with spikes.
    """
    found = []
    for scene in _scenes([*one, *other]):
        each = [(scene(term), term.by_spikes) for term in one]
        moving = sum(joules * share for joules, share in each)
        if moving <= 0:
            return None
        found.append(rate * (sum(map(scene, other)) - sum(joules * (1 - share) for joules, share in each)) / moving)
    return Interval(min(found), max(found))


def _low(term: Term) -> float:
    return term.total.low


def _high(term: Term) -> float:
    return term.total.high


class _Scene:
    """A term's joules where some unknowns are at their high end, the others at their low end."""

    def __init__(self, high: frozenset[str]) -> None:
        self._high = high

    def __call__(self, term: Term) -> float:
        return term.total.high if term.unknown in self._high else term.total.low


def _scenes(terms: Sequence[Term]) -> Iterator[_Scene]:
    """Every corner of the unknowns: a quotient of two sums has its extremes there."""
    names = sorted({term.unknown for term in terms if term.joules.low < term.joules.high})
    for chosen in product((False, True), repeat=len(names)):
        yield _Scene(frozenset(name for name, high in zip(names, chosen, strict=True) if high))
