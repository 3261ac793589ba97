"""Which lines of an image a core can do with one copy of the program, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ranvier.model.fabric.layout import PASS_BITS, STEP_REGISTERS, Op
from ranvier.model.fabric.placement import Part, Segment
from ranvier.model.network.network import Network

from .scans import Slot

__all__ = ["ended", "repeated"]

#: The segments of a row by their slots.
Slots = dict[Slot, Segment]


def ended(slots: Slots) -> tuple[Segment, ...]:
    """A row's segments, the last of which ends it."""
    found = [slots[slot] for slot in sorted(slots)] or [Segment(Op.SCAN, False)]
    return *found[:-1], replace(found[-1], row_last=True)


def repeated(network: Network, part: Part, lines: Sequence[Sequence[Slots]]) -> list[list[tuple[Segment, ...]]] | None:
    """The segments of each row of each line, so that all lines can be passes of one loop; None where they cannot.

    ``lines`` has the slots of each row of each line. A slot that some lines do not have is there empty. Sources must move on by equal steps
    from line to line, of which there are few, weights must be the same, and so must the neurons' parameters.
    """
    if not 1 < len(lines) <= 1 << PASS_BITS or not _equal_lines(network, part):
        return None
    rows = list(zip(*lines, strict=True))
    steps: dict[int, int] = {0: 0}    # registers by their steps
    passes: list[list[tuple[Segment, ...]]] = [[] for _ in lines]
    for row in rows:
        columns = []
        for slot in sorted(set().union(*row)):
            column = _column([slots.get(slot) for slots in row], steps)
            if column is None:
                return None
            columns.append(column)
        columns = columns or [[Segment(Op.SCAN, False)] * len(lines)]
        columns[-1] = [replace(segment, row_last=True) for segment in columns[-1]]
        for found, segments in zip(passes, zip(*columns, strict=True), strict=True):
            found.append(segments)
    if len(steps) > STEP_REGISTERS:
        return None
    moves = tuple(Segment(Op.STEP, False, register=register, step=step) for step, register in steps.items() if register)
    for n, found in enumerate(passes):
        found[-1] = (*found[-1], *moves, Segment(Op.LOOP, False, again=n < len(passes) - 1))
    return passes


def _equal_lines(network: Network, part: Part) -> bool:
    """Whether the neurons of all lines have the same parameters."""
    assert part.line is not None
    parameters = network.parameters(network.by_name[part.population]).values()
    per_line = [values[part.start:part.stop].reshape(part.lines, part.line.neurons) for values in parameters]
    return all(bool(np.all(values == values[0])) for values in per_line)


def _column(found: Sequence[Segment | None], steps: dict[int, int]) -> list[Segment] | None:
    """One slot in all lines, with an offset that moves its source on; None where no offset does. New steps get the next register."""
    active = [n for n, segment in enumerate(found) if segment is not None]
    segments = [segment for segment in found if segment is not None]
    first = segments[0]
    if active[-1] - active[0] + 1 != len(active) or any(_fixed(segment) != _fixed(first) for segment in segments):
        return None
    moved = {after.base - before.base for before, after in zip(segments, segments[1:], strict=False)}
    if len(moved) > 1 or min(moved, default=0) < 0:
        return None
    step = moved.pop() if moved else 0
    register = steps.setdefault(step, len(steps))
    empty = Segment(first.op, False)
    return [empty if segment is None else replace(segment, register=register, step=step) for segment in found]


def _fixed(segment: Segment) -> tuple[object, ...]:
    """What an offset cannot change from line to line."""
    source, end = segment.source, segment.end - segment.begin
    return segment.op, source, segment.weight_base, segment.begin % source.word_bits if source else 0, end
