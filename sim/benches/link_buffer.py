"""The buffer of frames and the stage between two streams, clock by clock."""

from __future__ import annotations

from typing import Any

import cocotb

from ..link_blocks import BUFFER_BYTES
from .common import Bench, seeded


async def _buffer(dut: Any, block: str, late: int) -> None:
    """A byte shows two clocks after its frame was committed and after the byte before it was taken, or ``late`` more."""
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    kept: list[int] = []        # committed bytes that have not been taken
    frame: list[int] = []       # of the frame that is coming in
    since = 0                   # clocks for which the oldest byte has been there for the reader
    filled = dropped = 0
    for _ in range(4000):
        push, take = rng.random() < 0.6, False
        full = len(kept) + len(frame) == BUFFER_BYTES
        end = rng.choice(("commit", "drop")) if not push and rng.random() < 0.3 or full and rng.random() < 0.2 else ""
        push = push and not end
        shown = bool(kept) and since > 1 + late
        if shown:
            take = rng.random() < 0.7
        data = rng.randrange(256)
        bench.set(data=data, push=int(push), commit=int(end == "commit"), drop=int(end == "drop"), take=int(take))
        await bench.settle()
        bench.check({"full": int(full), "valid": int(shown)})
        if shown:
            bench.check({"byte": kept[0]})
        filled += full
        since += 1
        if take:
            del kept[0]
            since = 1
        if push and not full:
            frame.append(data)
        if end == "commit":
            if not kept:
                since = 1
            kept += frame
        if end:
            dropped += end == "drop" and bool(frame)
            frame.clear()
        await bench.next()
    assert filled > 100 and dropped > 20, f"{block}: full {filled} times, {dropped} frames dropped"


@cocotb.test()
async def buffer(dut: Any) -> None:
    """Random frames, with the buffer full now and then; the block RAM's register makes it a clock later."""
    await _buffer(dut, "buffer", 1)


@cocotb.test()
async def up5k_buffer(dut: Any) -> None:
    """The same without that register."""
    await _buffer(dut, "up5k_buffer", 0)


@cocotb.test()
async def stage(dut: Any) -> None:
    """A word every other clock at most; what goes in comes out a clock later, and stays until it is taken."""
    rng = seeded("stage")
    bench = Bench(dut, "stage")
    await bench.reset()
    held = -1
    passed = 0
    for _ in range(1000):
        word, valid, ready = rng.randrange(256), rng.random() < 0.6, rng.random() < 0.6
        bench.set(i_payload=word, i_valid=int(valid), o_ready=int(ready))
        await bench.settle()
        bench.check({"i_ready": int(held < 0), "o_valid": int(held >= 0)})
        if held >= 0:
            bench.check({"o_payload": held})
            passed += ready
            held = -1 if ready else held
        elif valid:
            held = word
        await bench.next()
    assert passed > 200
