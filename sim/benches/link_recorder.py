"""The recorder against a ring in Python, and the link's registers: what each write does, and in which clock."""

from __future__ import annotations

import random
from typing import Any

import cocotb

from ranvier.model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR
from ranvier.model.fabric.layout import OFFSET_BITS
from ranvier.model.link.identity import identity_words
from ranvier.model.link.protocol import LinkMemory, Register, record_chunks

from ..link_blocks import LINK
from .common import Bench, seeded

_DEPTH, _WORD_BITS = LINK.link.record_depth, LINK.fabric.word_bits
_CHUNKS = record_chunks(LINK.fabric)
_RESET_CLOCKS = 31


async def _read(bench: Bench, offset: int, identifies: int) -> int:
    """A word, two clocks after the offset changes."""
    bench.set(offset=offset, identifies=identifies, tick=0, spike_valid=0)
    await bench.next()
    await bench.next()
    await bench.settle()
    return bench.get("value")


async def _record(dut: Any, block: str, late: int) -> None:
    """Words are counted a clock after they pass, or ``late`` more."""
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    full = held = head = tail = lost = 0
    for run in range(6):
        first = rng.randrange(40)
        stop = rng.choice((0, first, first + 5, 64, 64))
        ring: dict[int, int] = {}
        ticks = 0
        waiting: list[tuple[int, int, int] | None] = [None] * late     # words on their way
        bench.set(running=0, spike_valid=0, first=first, stop=stop, tail=tail, tick=0)
        for _ in range(4):
            await bench.next()
        ran = False
        hold = int((head - tail) % (2 * _DEPTH) >= _DEPTH // 2)
        for clock in range(500):
            running, tick = clock > 2, clock > 2 and (clock == 3 or rng.random() < 0.1)
            valid, where = 8 < clock < 497 and rng.random() < (0.6 if run % 2 else 0.2), rng.randrange(64)
            bits = 0 if rng.random() < 0.2 else rng.getrandbits(_WORD_BITS)
            used = (head - tail) % (2 * _DEPTH)
            if rng.random() < 0.05:
                tail = (tail + rng.randrange(used + 1)) % (2 * _DEPTH)
                used = (head - tail) % (2 * _DEPTH)
            bench.set(running=int(running), tick=int(tick), spike_valid=int(valid), spike_address=where, spike_bits=bits, tail=tail)
            await bench.settle()
            began = running and not ran
            bench.check({"began": int(began), "head": head, "lost": lost, "hold": hold}, f"run {run}")
            hold = int(used >= _DEPTH // 2)
            full += used == _DEPTH
            held += hold
            waiting.append((where, bits, ticks) if valid and bits and first <= where < stop else None)
            word = waiting.pop(0)
            if began:       # the registers take the tail back too
                head = lost = tail = 0
            elif word is not None and used < _DEPTH:
                ring[head % _DEPTH] = word[0] | ticks << 16 | word[1] << 32
                head = (head + 1) % (2 * _DEPTH)
            elif word is not None:
                lost = min(lost + 1, 255)
            ticks = int(tick) if began else ticks + tick
            ran = running
            await bench.next()
        for entry, expected in ring.items():
            for chunk in range(_CHUNKS):
                found = await _read(bench, entry * _CHUNKS + chunk, 0)
                wanted = expected >> 32 * chunk & 0xFFFFFFFF
                assert found == wanted, f"{block}: run {run}: entry {entry}, word {chunk}: {found:#x}, expected {wanted:#x}"
    assert full > 20 and held > 100, f"{block}: full in {full} clocks, held in {held}"
    for offset, expected in enumerate(identity_words(LINK)):
        found = await _read(bench, offset, 1)
        assert found == expected, f"{block}: word {offset} of the identity is {found:#x}, not {expected:#x}"


async def _registers(dut: Any, block: str, late: int) -> None:
    rng = seeded(block)
    bench = Bench(dut, block)
    await bench.reset()
    bench.set(quiet=1)

    async def write(register: Register, value: int, memory: int = LinkMemory.REGISTERS) -> None:
        """As the interpreter does: address and data stay for a clock before."""
        bench.set(address=memory << OFFSET_BITS | register, data=value)
        await bench.next()
        await bench.settle()
        fits = register != Register.DIVISOR or memory != LinkMemory.REGISTERS or LEAST_DIVISOR <= value < 1 << DIVISOR_BITS
        bench.check({"refuses": int(not fits)}, f"{register.name} {value}")
        bench.set(write=int(fits))
        await bench.next()
        bench.set(write=0)

    async def read(offset: int, memory: int = LinkMemory.REGISTERS) -> int:
        bench.set(address=memory << OFFSET_BITS | offset)
        for _ in range(late):
            await bench.next()
        await bench.settle()
        return bench.get("value")

    divisor, bad, overruns, tail, first, stop = LINK.divisor, 0, 0, 0, 0, 0
    for _ in range(150):
        state, head, lost, record = rng.randrange(8), rng.randrange(2 * _DEPTH), rng.randrange(256), rng.getrandbits(32)
        bench.set(state=state, head=head, lost=lost, record=record)
        for name in rng.choices(("bad_frame", "overrun"), k=rng.randrange(4)):
            bench.set(**{name: 1})
            await bench.next()
            bench.set(**{name: 0})
            bad, overruns = (bad + (name == "bad_frame")) & 255, (overruns + (name == "overrun")) & 255
        kind = rng.randrange(6)
        if kind == 0:
            value = rng.choice((0, 3, 4, 5, 4095, 4096, rng.getrandbits(12), rng.getrandbits(32)))
            await write(Register.DIVISOR, value)
            divisor = value if LEAST_DIVISOR <= value < 1 << DIVISOR_BITS else divisor
        elif kind == 1:
            tail = rng.randrange(2 * _DEPTH)
            await write(Register.RECORD_TAIL, tail)
        elif kind == 2:
            first, stop = rng.randrange(64), rng.randrange(65)
            await write(Register.RECORD_FIRST, first)
            await write(Register.RECORD_STOP, stop)
        elif kind == 3:       # a break
            bench.set(line_break=1)
            await bench.next()
            bench.set(line_break=0)
            divisor = LINK.divisor
        elif kind == 4:       # a run begins
            bench.set(began=1)
            await bench.next()
            bench.set(began=0)
            tail = 0
        else:                 # other memories are not registers
            await write(Register(rng.choice((2, 3, 5, 6, 7))), 9, rng.choice((LinkMemory.RECORD, LinkMemory.IDENTITY)))
        await bench.next()
        await bench.settle()
        bench.check({"divisor": divisor, "tail": tail, "first": first, "stop": stop, "reset_fabric": 0})
        values = {Register.BAD_FRAMES: bad, Register.OVERRUNS: overruns, Register.DIVISOR: divisor, Register.RECORD_HEAD: head,
                  Register.RECORD_LOST: lost, Register.STATE: state}
        for register in Register:
            found = await read(register)
            assert found == values.get(register, 0), f"{block}: {register.name} reads {found}, expected {values.get(register, 0)}"
        for memory in (LinkMemory.RECORD, LinkMemory.IDENTITY):
            assert await read(rng.randrange(16), memory) == record
            bench.check({"identifies": int(memory == LinkMemory.IDENTITY)})
    await _divisor_waits(bench, write, rng)
    await write(Register.RESET, 1)
    for clock in range(_RESET_CLOCKS + 1):
        await bench.settle()
        bench.check({"reset_fabric": int(clock < _RESET_CLOCKS)}, f"clock {clock} of a reset")
        await bench.next()
    await write(Register.RESET, 2)
    await bench.settle()
    bench.check({"reset_fabric": 0})


async def _divisor_waits(bench: Bench, write: Any, rng: random.Random) -> None:
    """A new rate is used when the reply has left."""
    await bench.settle()
    before = bench.get("divisor")
    bench.set(quiet=0)
    await write(Register.DIVISOR, 123)
    for _ in range(rng.randrange(3, 20)):
        await bench.settle()
        bench.check({"divisor": before})
        await bench.next()
    bench.set(quiet=1)
    await bench.next()
    await bench.settle()
    bench.check({"divisor": 123})


@cocotb.test()
async def recorder(dut: Any) -> None:
    """Random words within and without the bounds, a tail that follows, and every entry read back; then the identity."""
    await _record(dut, "recorder", 1)


@cocotb.test()
async def up5k_recorder(dut: Any) -> None:
    """The same in the form without registers before the ring."""
    await _record(dut, "up5k_recorder", 0)


@cocotb.test()
async def registers(dut: Any) -> None:
    """Random writes, reads and events; a value follows its address two clocks later."""
    await _registers(dut, "registers", 2)


@cocotb.test()
async def up5k_registers(dut: Any) -> None:
    """The same in the form without registers, at once."""
    await _registers(dut, "up5k_registers", 0)
