"""The ring: every word passes every node once, plane after plane, in the clocks that the slots say."""

from __future__ import annotations

import os
import random
from collections import deque
from typing import Any

import cocotb

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.timing import outbox_depth, trip
from ranvier.rtl.signatures import ring_layout, word_layout

from ..bench import RING
from ..neuron_blocks import COUNTED, PAIR
from .common import Bench, bits_of, seeded, unpack

#: The rings of the top that runs, by the prefix of their ports: the second node of the last one only sends.
_BLOCKS = {"ring_planes": COUNTED, "pair_planes": PAIR} if os.environ.get("RANVIER_BENCH_TOP", "").startswith("options") else {"ring": RING}


class _Expected:
    """Outboxes, and the words that each node will show, by clock."""

    def __init__(self, config: FabricConfig, *, only_sends: bool) -> None:
        self.config, self.nodes, self._only_sends = config, config.nodes, only_sends
        self.boxes: list[deque[tuple[int, int]]] = [deque() for _ in range(self.nodes)]    # (clock of arrival, word)
        self.shown: list[dict[int, int]] = [{} for _ in range(self.nodes)]
        self.travelling = [-1] * self.nodes      # last clock of the trip
        self._plane = [0] * self.nodes
        self._showing = False                    # the node that only sends shows a word

    def clock(self, clock: int, start: int) -> tuple[list[int], list[int]]:
        """(sent, busy) of every node in this clock, and the words' way from here."""
        sent, busy = [0] * self.nodes, [0] * self.nodes
        phase_0 = clock > start and (clock - start - 1) % self.nodes == 0
        for node, box in enumerate(self.boxes):
            ready = bool(box) and box[0][0] < clock
            if self._only_sends and node == 1:
                sent[node], busy[node] = self._send(clock, ready, phase_0)
                continue
            busy[node] = int(ready or clock <= self.travelling[node])
            if ready and phase_0:
                sent[node] = 1
                self.travelling[node] = clock + trip(self.nodes)
                self._show(node, clock, box[0][1])
                self._next_plane(node)
        return sent, busy

    def _send(self, clock: int, ready: bool, phase_0: bool) -> tuple[int, int]:
        """The node that only sends has its word a clock longer: while it is shown."""
        showing, box = self._showing, self.boxes[1]
        self._showing = phase_0 and ready
        if self._showing:
            self._show(1, clock, box[0][1])
        busy = ready
        if showing:
            last = self._plane[1] == self.config.spike_bits - 1
            busy = len(box) > 1 and box[1][0] < clock if last else ready
            self._next_plane(1)
        return int(showing), int(busy)

    def _show(self, node: int, clock: int, word: int) -> None:
        fields = unpack(word_layout(self.config), word)
        plane, bits = self._plane[node], self.config.word_bits
        sent = bits_of(ring_layout(self.config), {
            "address": (fields["address"] + plane * fields.get("plane_step", 0)) % (1 << _address_bits(self.config)),
            "bits": fields["bits"] >> plane * bits & (1 << bits) - 1})
        for hop in range(self.nodes):
            where = (node + hop) % self.nodes
            if self._only_sends and where == 1 and hop:
                continue
            assert clock + 1 + hop not in self.shown[where], "two words at one node"
            self.shown[where][clock + 1 + hop] = sent

    def _next_plane(self, node: int) -> None:
        self._plane[node] += 1
        if self._plane[node] == self.config.spike_bits:
            self._plane[node] = 0
            self.boxes[node].popleft()


def _address_bits(config: FabricConfig) -> int:
    """Width of an address of a spike buffer."""
    return int(ring_layout(config)["address"].width)


def _check(bench: Bench, expected: _Expected, sent: list[int], busy: list[int]) -> None:
    for node in range(expected.nodes):
        word = expected.shown[node].get(bench.clock)
        bench.check({f"sent_{node}": sent[node], f"busy_{node}": busy[node], f"o_valid_{node}": int(word is not None)})
        if word is not None:
            bench.check({f"o_{node}": word}, f"node {node}")


async def _tick(bench: Bench, rng: random.Random, expected: _Expected) -> int:
    """One tick; how many words it had."""
    config = expected.config
    depth, width = outbox_depth(config.core.lanes, config.word_bits), word_layout(config).size
    start, length, eager, given = bench.clock, rng.randint(10, 60), rng.choice([0.02, 0.15, 0.8]), 0
    while True:
        clock = bench.clock
        words = [rng.getrandbits(width) if clock < start + length and len(box) < depth
                 and rng.random() < eager else None for box in expected.boxes]
        bench.set(start=int(clock == start))
        for node, word in enumerate(words):
            bench.set(**{f"word_valid_{node}": int(word is not None), f"word_{node}": word or 0})
            if word is not None:
                expected.boxes[node].append((clock, word))
                given += 1
        await bench.settle()
        sent, busy = expected.clock(clock, start)
        _check(bench, expected, sent, busy)
        await bench.next()
        on_the_way = any(last >= bench.clock for shown in expected.shown for last in list(shown)[-1:])
        if clock > start + length and not any(expected.boxes) and not on_the_way:
            return given


@cocotb.test()
@cocotb.parametrize(block=list(_BLOCKS))
async def words(dut: Any, block: str) -> None:
    """Random words from all nodes, tick after tick at any distance, with the outboxes up to full."""
    config = _BLOCKS[block]
    rng = seeded(block)
    bench, expected = Bench(dut, block), _Expected(config, only_sends=block == "pair_planes")
    await bench.reset()
    given = 0
    for _ in range(25):
        given += await _tick(bench, rng, expected)
        for _ in range(rng.randrange(config.nodes + 2)):
            bench.set(start=0)
            await bench.settle()
            await bench.next()
    assert given > 100
    # Each node has shown each plane of each word once; the one that only sends, its own.
    for node, shown in enumerate(expected.shown):
        assert node == 1 and block == "pair_planes" or len(shown) == given * config.spike_bits
