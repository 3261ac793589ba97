"""Random numbers, their keys and their draws: something new in every clock, and after each latency what the model says."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from ranvier.model.prng import WORD_BITS, draw, key, prng
from ranvier.rtl.prng import Draw, Key, Prng

from .common import Bench, seeded

_CLOCKS = 2000
_TOP = (1 << WORD_BITS) - 1


def _word(rng: random.Random) -> int:
    """A word with a liking for counters and for the ends of the range."""
    return rng.choice([0, 1, _TOP, rng.randrange(100), 1 << rng.randrange(WORD_BITS), rng.getrandbits(WORD_BITS)])


def _results(words: dict[str, int]) -> dict[str, int]:
    """What goes in, by port, to what comes out."""
    if "purpose" not in words:
        return {"u": draw((words["a"], words["b"], words["c"]), words["neuron"])}
    if "neuron" not in words:
        return dict(zip("abc", key(words["seed"], words["step"], words["purpose"]), strict=True))
    found = prng(words["seed"], words["step"], words["neuron"], words["purpose"])
    assert isinstance(found, int)
    return {"u": found}


async def _run(dut: Any, block: str, inputs: tuple[str, ...], latency: int) -> None:
    bench, rng = Bench(dut, block), seeded(block)
    await bench.reset()
    expected: list[dict[str, int]] = []
    for clock in range(_CLOCKS):
        words = {name: _word(rng) for name in inputs}
        bench.set(**words)
        expected.append(_results(words))
        await bench.settle()
        if clock >= latency:
            bench.check(expected[clock - latency])
        await bench.next()


@cocotb.test()
async def test_number(dut: Any) -> None:
    await _run(dut, "prng", ("seed", "step", "neuron", "purpose"), Prng.latency)


@cocotb.test()
async def test_key(dut: Any) -> None:
    await _run(dut, "prngkey", ("seed", "step", "purpose"), Key.latency)


@cocotb.test()
async def test_draw(dut: Any) -> None:
    await _run(dut, "prngdraw", ("a", "b", "c", "neuron"), Draw.latency)
