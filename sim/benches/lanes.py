"""`Lanes` against sums of integers."""

from __future__ import annotations

import os
from typing import Any

import cocotb

from ranvier.model.fabric.config import FabricConfig

from ..bench import BLOCKS
from ..window_blocks import WIDE
from .common import Bench, seeded, signed
from .neurons import group_bits

#: The lanes of the top that runs, by the prefix of their ports.
_BLOCKS = WIDE if os.environ.get("RANVIER_BENCH_TOP", "").startswith("wide") else {"lanes": BLOCKS}


def _weights(word: int, config: FabricConfig) -> list[int]:
    bits = config.weight_bits
    return [signed(word >> lane * bits, bits) for lane in range(config.core.lanes)]


def _group(holding: list[int], number: int, config: FabricConfig) -> int:
    """The group shown; nothing is, once all have been."""
    lanes = config.core.sweep_lanes
    return group_bits(holding[number * lanes:(number + 1) * lanes], config.state_bits)


@cocotb.test()
@cocotb.parametrize(block=list(_BLOCKS))
async def rows(dut: Any, block: str) -> None:
    """Rows of weights and doublings, handed over and shown group by group while the next row accumulates."""
    rng, config = seeded(block), _BLOCKS[block]
    bench, lanes, bits = Bench(dut, block), config.core.lanes, config.weight_bits
    await bench.reset()
    sums, holding, number, group = [0] * lanes, [0] * lanes, 0, 0
    extreme = sum(1 << bits - 1 << lane * bits for lane in range(lanes))
    groups, last_shown = lanes // config.core.sweep_lanes, 0
    for row in range(150):
        tokens = [rng.choice(["weight"] * 5 + ["nothing"]) for _ in range(rng.randrange(12))] + ["double"] * rng.randrange(5)
        tokens += ["nothing"] * (rng.choice([0, 0, 2, 4]) * groups)    # so that all groups are shown, and nothing after them
        for n, token in enumerate([*tokens, "nothing"]):
            word = rng.choice([extreme, rng.getrandbits(lanes * bits)])
            end, take = int(n == len(tokens)), rng.randrange(2)
            bench.set(weights=word, weight=int(token == "weight"), double=int(token == "double"),
                      enable=int(token != "nothing"), row_end=end, clear=end, take=take)
            await bench.settle()
            bench.check({"group": group}, f"row {row}")
            group = _group(holding, number, config)
            await bench.next()
            if token == "weight":
                sums = [a + w for a, w in zip(sums, _weights(word, config), strict=True)]
            elif token == "double":
                sums = [2 * a for a in sums]
            if end:
                assert max(map(abs, sums)) < 1 << config.state_bits - 1, "the bench itself left the word"
                sums, holding, number = [0] * lanes, sums, 0
            elif take:
                number += 1
                last_shown += number == groups - 1
    assert last_shown, "the bench did not reach the last group"
