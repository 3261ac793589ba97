"""UART: bytes, broken stop bits, glitches and breaks, with every clock of both directions."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from ranvier.model.link.protocol import BREAK_BITS

from .common import Bench, seeded

#: Clocks from the one in which the line falls to the middle of the start bit, besides half a bit: those of the synchroniser.
_NOTICED = 2


class _Line:
    """Levels of the line by clock; events that must come, by clock."""

    def __init__(self, first: int) -> None:
        self.levels: list[int] = []
        self.first = first
        self.events: dict[int, tuple[str, int]] = {}

    @property
    def now(self) -> int:
        return self.first + len(self.levels)

    def hold(self, level: int, clocks: int) -> None:
        self.levels += [level] * clocks

    def byte(self, value: int, divisor: int, stop: int) -> None:
        sampled = self.now + _NOTICED + (divisor >> 1) + 9 * divisor
        self.events[sampled] = ("byte_valid", value) if stop else ("broken", value)
        for bit in (0, *(value >> n & 1 for n in range(8)), stop):
            self.hold(bit, divisor)


def _draw(rng: random.Random, line: _Line, divisor: int) -> None:
    """Bytes back to back or apart, and what is none."""
    line.hold(1, rng.choice((0, 0, 0, 1, divisor, 3 * divisor)))
    kind = rng.random()
    if kind < 0.75:
        line.byte(rng.getrandbits(8), divisor, 1)
    elif kind < 0.9:          # its stop bit is low; a rest, so that the next start can be seen
        line.byte(rng.getrandbits(8), divisor, 0)
        line.hold(1, 2 * divisor + 4)
    else:                     # too short for a start bit
        line.hold(1, divisor + 4)
        line.hold(0, max(1, (divisor >> 1) - 2))
        line.hold(1, 2 * divisor + 4)


async def _receive(dut: Any, block: str) -> None:
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    bench.set(rx=1, divisor=8)
    for _ in range(8):
        await bench.next()
    for divisor in (4, 5, 8, 33, 104):
        bench.set(divisor=divisor)
        line = _Line(bench.clock)
        line.hold(1, 2 * divisor)
        for _ in range(40):
            _draw(rng, line, divisor)
        line.hold(1, 4 * divisor + 8)
        for level in line.levels:
            bench.set(rx=level)
            await bench.settle()
            kind, value = line.events.get(bench.clock, ("", 0))
            bench.check({"byte_valid": int(kind == "byte_valid"), "broken": int(kind == "broken"), "line_break": 0}, f"divisor {divisor}")
            if kind:
                bench.check({"byte": value}, f"divisor {divisor}")
            await bench.next()


async def _break(dut: Any, block: str) -> None:
    """Low for fewer than `BREAK_BITS` is a broken byte; for more it is a break, noticed once, in the middle of its twentieth bit."""
    bench = Bench(dut, block)
    await bench.reset()
    divisor = 9
    bench.set(rx=1, divisor=divisor)
    for _ in range(8):
        await bench.next()
    for bits in (10, 15, BREAK_BITS - 2, BREAK_BITS, BREAK_BITS + 1, 5 * BREAK_BITS):
        began, seen, broken = bench.clock, [], 0
        for clock in range((bits + 4) * divisor):
            bench.set(rx=int(clock >= bits * divisor))
            await bench.settle()
            seen += [bench.clock - began] * bench.get("line_break")
            broken += bench.get("broken")
            assert not bench.get("byte_valid"), f"{block}: a byte in a break of {bits} bits"
            await bench.next()
        at = _NOTICED + (divisor >> 1) + (BREAK_BITS - 1) * divisor
        assert broken == 1 and seen == ([at] if bits >= BREAK_BITS else []), f"{block}: {bits} bits: breaks in clocks {seen}, not {at}"


async def _send(dut: Any, block: str) -> None:
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    bench.set(divisor=8)
    for divisor in (4, 7, 33):
        levels: list[int] = []        # of the byte on the line, from this clock on
        bench.set(divisor=divisor)
        left, value, valid = 60, rng.getrandbits(8), False
        await bench.next()
        while left or levels:
            valid = valid or bool(left) and rng.random() < 0.3
            bench.set(i_payload=value, i_valid=int(valid))
            await bench.settle()
            ready = len(levels) <= 1      # in the last clock of the stop bit, or with nothing on the line
            bench.check({"tx": levels[0] if levels else 1, "i_ready": int(ready), "idle": int(not levels)}, f"divisor {divisor}")
            del levels[:1]
            if valid and ready:
                levels += [bit for bit in (0, *(value >> n & 1 for n in range(8)), 1) for _ in range(divisor)]
                value, valid, left = rng.getrandbits(8), False, left - 1
            await bench.next()


@cocotb.test()
async def receiver(dut: Any) -> None:
    """Random bytes at several rates: each in its clock, and nothing else."""
    await _receive(dut, "receiver")


@cocotb.test()
async def up5k_receiver(dut: Any) -> None:
    """The same with the timer in cells of an iCE40."""
    await _receive(dut, "up5k_receiver")


@cocotb.test()
async def receiver_break(dut: Any) -> None:
    """How long a low line is a break."""
    await _break(dut, "receiver")


@cocotb.test()
async def transmitter(dut: Any) -> None:
    """Every level in every clock; bytes follow each other without a gap."""
    await _send(dut, "transmitter")


@cocotb.test()
async def up5k_transmitter(dut: Any) -> None:
    """The same with the timer in cells of an iCE40."""
    await _send(dut, "up5k_transmitter")
