"""`Lanes` against sums of integers."""

from __future__ import annotations

from typing import Any

import cocotb

from ..bench import BLOCKS
from .common import Bench, seeded, signed

_CORE, _BITS, _STATE = BLOCKS.core, BLOCKS.weight_bits, BLOCKS.state_bits


def _weights(word: int) -> list[int]:
    return [signed(word >> lane * _BITS, _BITS) for lane in range(_CORE.lanes)]


def _group(holding: list[int], number: int) -> int:
    """The group shown; nothing is, once all have been."""
    lanes = holding[number * _CORE.sweep_lanes:(number + 1) * _CORE.sweep_lanes]
    return sum((value & (1 << _STATE) - 1) << n * _STATE for n, value in enumerate(lanes))


@cocotb.test()
async def rows(dut: Any) -> None:
    """Rows of weights and doublings, handed over and shown group by group while the next row accumulates."""
    rng = seeded("lanes")
    bench = Bench(dut, "lanes")
    await bench.reset()
    sums, holding, number, group = [0] * _CORE.lanes, [0] * _CORE.lanes, 0, 0
    extreme = sum(1 << _BITS - 1 << lane * _BITS for lane in range(_CORE.lanes))
    for row in range(150):
        tokens = [rng.choice(["weight"] * 5 + ["nothing"]) for _ in range(rng.randrange(12))] + ["double"] * rng.randrange(5)
        for n, token in enumerate([*tokens, "nothing"]):
            word = rng.choice([extreme, rng.getrandbits(_CORE.lanes * _BITS)])
            end, take = int(n == len(tokens)), rng.randrange(2)
            bench.set(weights=word, weight=int(token == "weight"), double=int(token == "double"),
                      enable=int(token != "nothing"), row_end=end, clear=end, take=take)
            await bench.settle()
            bench.check({"group": group}, f"row {row}")
            group = _group(holding, number)
            await bench.next()
            if token == "weight":
                sums = [a + w for a, w in zip(sums, _weights(word), strict=True)]
            elif token == "double":
                sums = [2 * a for a in sums]
            if end:
                assert max(map(abs, sums)) < 1 << _STATE - 1, "the bench itself left the word"
                sums, holding, number = [0] * _CORE.lanes, sums, 0
            elif take:
                number += 1
