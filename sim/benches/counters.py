"""`Counters` against sums."""

from __future__ import annotations

from typing import Any

import cocotb

from ranvier.model.fabric.layout import CHUNK_BITS, Counter
from ranvier.model.fabric.timing import COUNTER_LATENCY
from ranvier.rtl.memory.readback import answer_latency

from ..bench import COUNTERS
from .common import FORM, Bench, seeded


@cocotb.test()
async def sums(dut: Any) -> None:
    """Bursts of steps with reads in between, then what the counters hold; they wrap, and a clear leaves nothing."""
    rng = seeded("counters")
    bench = Bench(dut, "counters")
    await bench.reset()
    totals, cleared = dict.fromkeys(COUNTERS, 0), 0
    for _ in range(60):
        read = 0
        for _ in range(rng.randrange(120)):
            steps = {counter: rng.choice([0, (1 << width) - 1, rng.getrandbits(width)]) for counter, width in COUNTERS.items()}
            clear, read = int(rng.random() < 0.02), int(not read and rng.random() < 0.6)
            bench.set(clear=clear, bus_read=read, bus_offset=rng.randrange(len(Counter)),
                      **{c.name.lower(): step for c, step in steps.items()})
            await bench.settle()
            await bench.next()
            # Without registers for the steps a clear forgets those of the next clock too.
            forgets = clear or cleared and not FORM.step_registers
            totals = {c: 0 if forgets else (totals[c] + steps[c]) % (1 << CHUNK_BITS) for c in COUNTERS}
            cleared = clear
        cleared = 0
        bench.set(clear=0, bus_read=0, **{c.name.lower(): 0 for c in COUNTERS})
        for _ in range(COUNTER_LATENCY):
            await bench.settle()
            await bench.next()
        values = [0] * answer_latency(FORM)    # of the next clocks
        for wanted in [*COUNTERS, Counter.CLAMPS, *[None] * len(values)]:
            bench.set(bus_read=int(wanted is not None), bus_offset=int(wanted or 0))
            await bench.settle()
            bench.check({"bus_value": values.pop(0)}, f"read {wanted!r} next")
            await bench.next()
            values.append(totals.get(wanted, 0) if wanted is not None else 0)
