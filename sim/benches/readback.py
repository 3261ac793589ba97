"""`answer`: the value of a read, `answer_latency` clocks after it, and 0 in every other clock."""

from __future__ import annotations

from typing import Any

import cocotb

from ranvier.model.fabric.layout import CHUNK_BITS
from ranvier.rtl.memory.readback import answer_latency

from .common import FORM, Bench, seeded


@cocotb.test()
async def answers(dut: Any) -> None:
    """Reads at random, alone and one after the other; the value is another one in every clock."""
    rng = seeded("readback")
    bench = Bench(dut, "readback")
    await bench.reset()
    latency = answer_latency(FORM)
    reads, values = [0] * latency, [0] * latency    # of the clocks before, the oldest first
    for _ in range(600):
        reads.append(int(rng.random() < 0.5))
        values.append(rng.getrandbits(CHUNK_BITS))
        bench.set(read=reads[-1], value=values[-1])
        await bench.settle()
        was_read = reads.pop(0)
        values.pop(0)
        # ``values`` begins with that of the clock after the read.
        bench.check({"shown": was_read * values[0], "shown_late": was_read * values[1] if FORM.late_memories else 0})
        await bench.next()
