"""`Counters` against sums."""

from __future__ import annotations

from typing import Any

import cocotb

from ranvier.model.layout import CHUNK_BITS, Counter

from ..bench import COUNTERS
from .common import Bench, seeded


@cocotb.test()
async def sums(dut: Any) -> None:
    """A step counts two clocks later; a counter wraps; a clear leaves nothing but the steps of its own clock."""
    rng = seeded("counters")
    bench = Bench(dut, "counters")
    await bench.reset()
    before = dict.fromkeys(COUNTERS, 0)      # the steps of the clock before
    totals = dict.fromkeys(COUNTERS, 0)
    value = 0
    for _ in range(2000):
        steps = {counter: rng.choice([0, (1 << width) - 1, rng.getrandbits(width)]) for counter, width in COUNTERS.items()}
        clear, read = int(rng.random() < 0.02), int(rng.random() < 0.6)
        wanted = rng.choice([*COUNTERS, Counter.CLAMPS])
        bench.set(clear=clear, bus_read=read, bus_offset=int(wanted), **{c.name.lower(): step for c, step in steps.items()})
        await bench.settle()
        bench.check({"bus_value": value})
        await bench.next()
        totals = {c: 0 if clear else (totals[c] + before[c]) % (1 << CHUNK_BITS) for c in COUNTERS}
        before = steps
        value = totals.get(wanted, 0) if read else 0
