"""`Loops` against the rules of a program's loops: passes, offsets, and which segments belong to a pass."""

from __future__ import annotations

import random
from typing import Any

from amaranth.sim import Simulator

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import Op, segment_word
from ranvier.rtl.scan.loops import Loops

CONFIG = FabricConfig(windows=1, spike_depth=64)
ADDRESSES = 1 << bits_for(CONFIG.spike_depth - 1)
SEED = 5


def test_passes_and_offsets() -> None:
    """Loops of 1 to 256 passes behind one another; a segment acts only where it is looked at."""
    rng = random.Random(SEED)
    block, word = Loops(CONFIG), segment_word(CONFIG)
    reached = {"again": 0, "left": 0, "outside": 0, "wrapped": 0}

    async def bench(ctx: Any) -> None:
        async def show(enable: int, **fields: int) -> None:
            ctx.set(block.segment.as_value(), word.pack(**{f.name: 0 for f in word.fields} | fields))
            ctx.set(block.enable, enable)

        for passes in (1, 2, 3, 256, 5):
            steps = [0, *(rng.randrange(ADDRESSES) for _ in range(3))]
            for y in range(passes):
                for _ in range(3):
                    register, least, most = rng.randrange(4), rng.randrange(passes), rng.randrange(passes)
                    await show(rng.randrange(2), op=Op.SCAN, step_register=register, y_least=least, y_most=most)
                    about = f"seed {SEED}, pass {y} of {passes}, register {register}"
                    assert ctx.get(block.offset) == steps[register] * y % ADDRESSES, about
                    assert ctx.get(block.inside) == (least <= y <= most), about
                    assert (ctx.get(block.again), ctx.get(block.first_pass)) == (0, y == 0), about
                    reached["outside"] += not least <= y <= most
                    reached["wrapped"] += steps[register] * y >= ADDRESSES
                    await ctx.tick()
                for register in (1, 2, 3):
                    await show(0, op=Op.STEP, step_register=register, base=1)
                    await ctx.tick()
                    await show(1, op=Op.STEP, step_register=register, base=steps[register])
                    await ctx.tick()
                await show(0, op=Op.LOOP, y_most=passes - 1)
                await ctx.tick()
                await show(1, op=Op.LOOP, y_most=passes - 1)
                assert ctx.get(block.again) == (y < passes - 1), f"seed {SEED}, pass {y} of {passes}"
                reached["again" if y < passes - 1 else "left"] += 1
                await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert all(reached.values()), reached
