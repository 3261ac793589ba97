"""What every bench needs: the ports of a block, the clock, a seeded generator, and messages."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import cocotb
from amaranth.lib import data
from amaranth.lib.wiring import Flow
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from ranvier.model.fabric.config import FabricConfig
from ranvier.rtl.signatures import step_layout

from ..bench import TOPS

__all__ = ["FORM", "Bench", "bits_of", "parts_in_use", "random_steps", "seeded", "signed", "steps_word", "unpack"]

#: The form of the blocks in the top that runs.
FORM = TOPS[os.environ.get("RANVIER_BENCH_TOP", "blocks")].form
_CLOSED = {"open": 0, "last": 0, "parity": 0, "tau": 0}


class Bench:
    """The ports of one block. In every clock: `set` inputs, `settle`, `get` outputs, `next`.

    Inputs change right after the rising edge, and outputs are read in the clock's second half, so an output shows
    what registers and this clock's inputs make of it.
    """

    def __init__(self, dut: Any, block: str) -> None:
        self._dut = dut
        self._block = block
        self.clock = 0
        prefix = f"{block}_"
        self._ports: dict[str, Any] = {}
        self._inputs: list[str] = []
        top = TOPS[os.environ["RANVIER_BENCH_TOP"]]
        for name, member in top.make(top.form).signature.members.items():
            if name.startswith(prefix):
                self._ports[name[len(prefix):]] = getattr(dut, name)
                if member.flow is Flow.In:
                    self._inputs.append(name[len(prefix):])

    async def reset(self) -> None:
        """Start the clock, with every input 0, and reset the top; clock 0 is the first without reset."""
        self.set(**dict.fromkeys(self._inputs, 0))
        self._dut.rst.value, self._dut.clk.value = 1, 0
        await Timer(10, unit="ns")    # no edge may see an input that nothing drives yet
        Clock(self._dut.clk, 10, unit="ns").start()
        for _ in range(4):
            await RisingEdge(self._dut.clk)
        self._dut.rst.value = 0
        self.clock = 0

    def set(self, **values: int) -> None:
        """Drive inputs from this clock on."""
        for name, value in values.items():
            self._ports[name].value = value

    async def settle(self) -> None:
        """Wait until the outputs of this clock are there."""
        await FallingEdge(self._dut.clk)

    async def next(self) -> None:
        """Go on to the next clock."""
        await RisingEdge(self._dut.clk)
        self.clock += 1

    def get(self, name: str) -> int:
        """An output of this clock, unsigned."""
        return int(self._ports[name].value)

    def check(self, expected: dict[str, int], about: str = "") -> None:
        """Compare outputs of this clock."""
        for name, value in expected.items():
            found = self.get(name)
            assert found == value, (f"{self._block}: {name} in clock {self.clock}{', ' if about else ''}{about}: "
                                    f"expected {value} ({value:#x}), found {found} ({found:#x})")


def seeded(block: str) -> random.Random:
    """The bench's generator; the log says how to repeat the run."""
    seed = os.environ.get("COCOTB_RANDOM_SEED", "1")
    cocotb.log.info("%s: seed %s", block, seed)
    return random.Random(f"{block} {seed}")


def signed(value: int, bits: int) -> int:
    """The number that ``bits`` mean in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def bits_of(layout: data.Layout, value: Any) -> int:
    """The bits of a structure."""
    return int(layout.const(value).as_bits())  # type: ignore[attr-defined]


def parts_in_use(word: int, bits: int) -> int:
    """For each so many bits of a spike word, `SLICE_BITS` or `PIECE_BITS`, whether any of them is set, the lowest first."""
    return sum(1 << n // bits for n in range(0, word.bit_length(), bits) if word >> n & (1 << bits) - 1)


def unpack(layout: data.StructLayout, bits: int) -> dict[str, int]:
    """The fields of a structure of unsigned fields."""
    return {name: bits >> field.offset & (1 << field.width) - 1 for name, field in layout}


def random_steps(rng: random.Random, config: FabricConfig) -> list[dict[str, int]]:
    """What the levels do in one tick; most are open."""
    return [{"open": int(rng.random() < 0.8), "last": rng.randrange(2), "parity": rng.randrange(2),
             "tau": rng.choice([0, 1, 2, 3, config.delays, rng.randrange(config.delays + 1)])} for _ in range(config.levels)]


def steps_word(config: FabricConfig, steps: Sequence[dict[str, int]]) -> int:
    """The tick bus's ``steps``."""
    return bits_of(data.ArrayLayout(step_layout(config), config.levels), [{**_CLOSED, **step} for step in steps])
