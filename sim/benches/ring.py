"""The ring: every word passes every node once, in the clocks that the slots say."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb

from ranvier.model.fabric.timing import outbox_depth, trip
from ranvier.rtl.signatures import ring_layout

from ..bench import RING
from .common import Bench, seeded

_NODES, _DEPTH = RING.nodes, outbox_depth(RING.core.lanes, RING.word_bits)


class _Expected:
    """Outboxes, and the words that each node will show, by clock."""

    def __init__(self) -> None:
        self.boxes: list[deque[tuple[int, int]]] = [deque() for _ in range(_NODES)]    # (clock of arrival, word)
        self.shown: list[dict[int, int]] = [{} for _ in range(_NODES)]
        self.travelling = [-1] * _NODES      # last clock of the trip

    def clock(self, clock: int, start: int) -> tuple[list[int], list[int]]:
        """(sent, busy) of every node in this clock, and the words' way from here."""
        sent, busy = [0] * _NODES, [0] * _NODES
        for node, box in enumerate(self.boxes):
            ready = bool(box) and box[0][0] < clock
            busy[node] = int(ready or clock <= self.travelling[node])
            if ready and clock > start and (clock - start - 1) % _NODES == 0:
                sent[node] = 1
                word = box.popleft()[1]
                self.travelling[node] = clock + trip(_NODES)
                for hop in range(_NODES):
                    shown = self.shown[(node + hop) % _NODES]
                    assert clock + 1 + hop not in shown, "two words at one node"
                    shown[clock + 1 + hop] = word
        return sent, busy


def _check(bench: Bench, expected: _Expected, sent: list[int], busy: list[int]) -> None:
    for node in range(_NODES):
        word = expected.shown[node].get(bench.clock)
        bench.check({f"sent_{node}": sent[node], f"busy_{node}": busy[node], f"o_valid_{node}": int(word is not None)})
        if word is not None:
            bench.check({f"o_{node}": word}, f"node {node}")


async def _tick(bench: Bench, rng: random.Random, expected: _Expected, seen: list[list[int]], given: list[int]) -> None:
    start, length, eager = bench.clock, rng.randint(10, 60), rng.choice([0.02, 0.15, 0.8])
    while True:
        clock = bench.clock
        words = [rng.getrandbits(ring_layout(RING).size) if clock < start + length and len(box) < _DEPTH
                 and rng.random() < eager else None for box in expected.boxes]
        bench.set(start=int(clock == start))
        for node, word in enumerate(words):
            bench.set(**{f"word_valid_{node}": int(word is not None), f"word_{node}": word or 0})
            if word is not None:
                expected.boxes[node].append((clock, word))
                given.append(word)
        await bench.settle()
        sent, busy = expected.clock(clock, start)
        _check(bench, expected, sent, busy)
        for node in range(_NODES):
            if bench.get(f"o_valid_{node}"):
                seen[node].append(bench.get(f"o_{node}"))
        await bench.next()
        on_the_way = any(last >= bench.clock for shown in expected.shown for last in list(shown)[-1:])
        if clock > start + length and not any(expected.boxes) and not on_the_way:
            return


@cocotb.test()
async def words(dut: Any) -> None:
    """Random words from all nodes, tick after tick at any distance, with the outboxes up to full."""
    rng = seeded("ring")
    bench, expected = Bench(dut, "ring"), _Expected()
    await bench.reset()
    for number in range(25):
        seen: list[list[int]] = [[] for _ in range(_NODES)]
        given: list[int] = []
        await _tick(bench, rng, expected, seen, given)
        for node, found in enumerate(seen):
            assert sorted(found) == sorted(given), (
                f"ring: tick {number}: node {node} saw {len(found)} of {len(given)} words, or others")
        for _ in range(rng.randrange(_NODES + 2)):
            bench.set(start=0)
            await bench.settle()
            await bench.next()
