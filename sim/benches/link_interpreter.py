"""The interpreter against the link's model: random command streams, hostile ones among them; and when an access may be had."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import cocotb

from ranvier.model.fabric.chain import read_latency
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.image import address, control_address
from ranvier.model.fabric.layout import Control, Memory
from ranvier.model.fabric.timing import drain
from ranvier.model.link.addresses import addresses_of, unit_kinds
from ranvier.model.link.protocol import (
    MOST_PAYLOAD,
    MOST_READ,
    SESSION_BYTES,
    Command,
    Frame,
    LinkMemory,
    Register,
    Status,
    frame,
    link_address,
    link_unit,
)
from ranvier.model.link.reference import LinkModel

from ..link_blocks import LINK, NARROW
from .common import Bench, seeded

_FABRIC = LINK.fabric
_DIVISOR = link_address(_FABRIC, LinkMemory.REGISTERS, Register.DIVISOR)     # of both
#: Clocks after a run for which the fabric is not at rest.
_DRAIN = drain(_FABRIC)
#: Clocks in which the ticker may wait without its waiting for the host.
_STUCK = 7


class _Harness:
    """The buffer before the interpreter, the configuration port and the framer behind it."""

    def __init__(self, dut: Any, block: str, config: DeviceConfig, rng: random.Random) -> None:
        self.bench = Bench(dut, block)
        self.read_latency = read_latency(config.fabric)
        self.rng = rng
        self.waiting = bytearray()
        self.reply = bytearray()
        self.replies: list[bytes] = []
        self.accesses: list[tuple[str, int, int]] = []
        self.when: list[int] = []                       # clocks of the accesses
        self.memory: dict[int, int] = {}
        self.due: dict[int, int] = {}                   # values of reads, by clock
        self.eager = 1.0
        self.inputs = {"running": 0, "waiting": 0, "room": 1, "period": 0}
        self.shown = True                               # the buffer shows its byte; after each that is taken it needs a clock
        self.before = (0, 0)                            # address and data a clock ago
        self.flags = {"quiet": 0, "welcome": 0, "refused": 0}     # clocks in which each was high

    async def clock(self) -> None:
        """One clock."""
        bench = self.bench
        valid = bool(self.waiting) and self.shown
        ready = self.rng.random() < self.eager
        unfit = int(self.before[0] == _DIVISOR and not 4 <= self.before[1] <= 4095)
        bench.set(byte=self.waiting[0] if valid else self.rng.randrange(256), valid=int(valid), o_ready=int(ready), unfit=unfit,
                  access_value=self.due.pop(bench.clock, self.rng.getrandbits(32)), **self.inputs)
        await bench.settle()
        where, data = bench.get("access_address"), bench.get("access_data")
        assert not bench.get("access_write") or not bench.get("access_read"), "interpreter: reads and writes in one clock"
        if bench.get("access_write"):
            self.accesses.append(("write", where, data))
            self.when.append(bench.clock)
            self.memory[where] = data
        if bench.get("access_read"):
            self.accesses.append(("read", where, 0))
            self.when.append(bench.clock)
            self.due[bench.clock + self.read_latency] = self.memory.get(where, 0)
        self.shown = True
        if bench.get("take"):
            assert valid, "interpreter: takes a byte that is not there"
            del self.waiting[:1]
            self.shown = self.rng.random() < 0.5
        if bench.get("o_valid") and ready:
            byte = bench.get("o_payload")
            self.reply.append(byte & 0xFF)
            if byte >> 8:
                self.replies.append(bytes(self.reply))
                self.reply.clear()
        self.before = where, data
        for name in self.flags:
            self.flags[name] += bench.get(name)
        await bench.next()

    def send(self, command: Frame) -> None:
        """Put a command into the buffer, with its CRC."""
        self.waiting += frame(*command)

    async def answer(self, most: int = 60_000) -> bytes:
        """Go on until there is a reply, and the frame has left the buffer."""
        for _ in range(most):
            await self.clock()
            if self.replies and not self.waiting:
                break
        assert len(self.replies) == 1, f"interpreter: {len(self.replies)} replies"
        return self.replies.pop()

    async def do(self, command: Frame) -> tuple[int, bytes]:
        """Status and payload of the reply."""
        self.send(command)
        reply = await self.answer()
        return reply[1], reply[4 + SESSION_BYTES:]


async def _made(dut: Any, name: str, block: str = "interpreter", config: DeviceConfig = LINK) -> _Harness:
    made = _Harness(dut, block, config, seeded(name))
    await made.bench.reset()
    for _ in range(3 * _DRAIN):
        await made.clock()
    return made


def _address(rng: random.Random, config: DeviceConfig) -> int:
    """Mostly within a memory, often at its end, now and then anywhere."""
    kinds = unit_kinds(config.fabric)
    unit = rng.randrange(len(kinds))
    memory, reach = rng.choice(list(addresses_of(config.fabric, config.link.record_depth)[kinds[unit]].items()))
    kind = rng.random()
    if kind < 0.1:
        return rng.getrandbits(32)
    if kind < 0.15:
        return address(rng.choice((unit, len(kinds), 255)), rng.randrange(16), rng.choice((0, reach)))
    if kind < 0.25:
        return _DIVISOR
    return address(unit, memory, max(0, reach - rng.randrange(1, 6)) if kind < 0.6 else rng.randrange(reach))


def _command(rng: random.Random, due: int, session: int, config: DeviceConfig) -> Frame:
    """A command: well formed or not, in its turn or not, of this session or of another."""
    sequence = due if rng.random() < 0.7 else (due - 1) & 0xFF if rng.random() < 0.7 else rng.randrange(256)
    its = session if rng.random() < 0.9 else session ^ 1 << rng.randrange(8 * SESSION_BYTES)
    code = rng.choice((Command.READ, Command.WRITE, Command.WRITE, Command.WRITE_8, Command.WRITE_4, Command.WRITE_1))
    if rng.random() < 0.04:
        return Frame(rng.randrange(256), Command.HELLO, rng.getrandbits(8 * SESSION_BYTES), b"" if rng.random() < 0.8 else rng.randbytes(3))
    if rng.random() < 0.08:
        return Frame(sequence, rng.choice((0, 7, 9, 8 | code, 0x80 | code, 255)), its, rng.randbytes(rng.choice((0, 4, 6, 8))))
    if rng.random() < 0.08:
        return Frame(sequence, code, its, rng.randbytes(rng.choice((0, 1, 3, 4, 5, 7, 9, 10, 11))))
    where = struct.pack("<I", _address(rng, config))
    if code == Command.READ:
        return Frame(sequence, code, its, where + struct.pack("<H", rng.choice((1, 1, 2, 3, 5, 0, MOST_READ, MOST_READ + 1, 1 << 15))))
    if code == Command.WRITE:
        words = [rng.choice((rng.getrandbits(32), rng.randrange(8), 4095, 4096)) for _ in range(rng.choice((1, 1, 2, 3, 7)))]
        return Frame(sequence, code, its, where + struct.pack(f"<{len(words)}I", *words))
    return Frame(sequence, code, its, where + rng.randbytes(rng.choice((1, 2, 3, 5, 8, 40))))


@cocotb.test()
async def commands(dut: Any) -> None:
    """Every reply, every access and their order, in 700 random commands; and the longest ones."""
    await _commands(await _made(dut, "interpreter"), "interpreter", LINK, 700)


@cocotb.test()
async def narrow_commands(dut: Any) -> None:
    """The same in 300 where an address takes one value: a byte of bits is eight accesses, each as soon as the checks can follow."""
    await _commands(await _made(dut, "interpreter, narrow", "narrow_interpreter", NARROW), "narrow_interpreter", NARROW, 300)


async def _commands(made: _Harness, block: str, config: DeviceConfig, count: int) -> None:
    rng = made.rng
    model = LinkModel(config)
    made.memory.update(model.memory)
    seen: dict[int, int] = {}
    for number in range(count):
        made.eager = rng.choice((1.0, 1.0, 0.3))
        command = _command(rng, model.due, model.session, config)
        if number < 3:          # before any hello
            command = Frame(rng.randrange(256), Command.READ, 0, struct.pack("<IH", 0, 1))
        elif number == 3:
            command = Frame(7, Command.HELLO, 0x010203, b"")
        elif number % 100 == 50:
            command = Frame(model.due, Command.WRITE, model.session, struct.pack("<I", 0) + rng.randbytes(MOST_PAYLOAD - 4))
        del made.accesses[:], model.accesses[:]
        expected = model.execute(command)
        made.send(command)
        reply = await made.answer()
        about = f"{block}: command {number}, {command}"
        assert reply + struct.pack("<I", zlib.crc32(reply)) == expected, (
            f"{about}: reply {reply[:40].hex()} ..., expected {expected[:40].hex()} ...")
        assert made.accesses == model.accesses, f"{about}: {made.accesses[:4]} ..., expected {model.accesses[:4]} ..."
        seen[expected[1]] = seen.get(expected[1], 0) + 1
    assert set(seen) == set(Status) - {Status.BUSY}, f"{block}: statuses {seen}"


@cocotb.test()
async def waits(dut: Any) -> None:
    """An access to what a run uses is done `drain` clocks after the run, not before, and at once where nothing waits for it."""
    made = await _made(dut, "interpreter waits")
    await made.do(Frame(0, Command.HELLO, 5, b""))
    command = control_address(_FABRIC, Control.COMMAND)
    due = 1
    for where, word, needs in ((address(0, Memory.STATE, 0), 1, "rest"), (address(2, Memory.ROWS, 0), 1, "rest"), (command, 2, "rest"),
                               (command, 1, "rest"), (control_address(_FABRIC, Control.TICKS), 1, "rest"), (command, 4, "room"),
                               (address(2, Memory.INPUTS, 0), 1, "room"), (link_address(_FABRIC, LinkMemory.REGISTERS, 7), 1, "nothing")):
        for kind in (Command.WRITE, Command.READ):
            if kind == Command.READ and needs != "rest":
                continue
            ticker = where >> 24 == _FABRIC.nodes
            for _ in range(3 * _DRAIN):
                await made.clock()
            made.inputs |= {"running": 1, "room": 0}
            for _ in range(5):
                await made.clock()
            made.send(Frame(due, kind, 5, struct.pack("<II", where, word)[:8 if kind == Command.WRITE else 4]
                            + (struct.pack("<H", 1) if kind == Command.READ else b"")))
            made.when.clear()
            for _ in range(400):
                await made.clock()
            about = f"interpreter: {kind.name} of {where:#x}, {word}"
            if needs == "nothing" or kind == Command.READ and ticker:
                assert len(made.when) == 1, f"{about} waits for a run"
            else:
                assert not made.when, f"{about} in clock {made.when}, while the fabric runs"
                ended = made.bench.clock
                made.inputs |= {"running": 0} if needs == "rest" else {"room": 1}
                for _ in range(150):
                    await made.clock()
                # The interlock takes a clock, and a read goes on only when its reply's header has.
                first = ended + (_DRAIN + 1 if needs == "rest" else 1)
                assert made.when and (made.when[0] == first if kind == Command.WRITE else made.when[0] > first), (
                    f"{about} in clock {made.when}, expected {first}; the run ended in clock {ended}")
            made.inputs |= {"running": 0, "room": 1}
            reply = await made.answer() if not made.replies else made.replies.pop()
            assert reply[1] == Status.OK, f"{about}: {reply.hex()}"
            due += 1


@cocotb.test()
async def busy(dut: Any) -> None:
    """A run that does not end is waited for three periods and a part; one that waits for the host not at all."""
    made = await _made(dut, "interpreter busy")
    await made.do(Frame(0, Command.HELLO, 5, b""))
    place = address(0, Memory.STATE, 0)
    for kind, payload in ((Command.WRITE, struct.pack("<II", place, 1)), (Command.READ, struct.pack("<IH", place, 1))):
        made.inputs |= {"running": 1, "waiting": 0}
        made.send(Frame(1, kind, 5, payload))
        for _ in range(300):
            await made.clock()
        for period in range(4):
            assert not made.replies, f"interpreter: {kind.name} is refused after {period} periods"
            made.inputs["period"] = 1
            await made.clock()
            made.inputs["period"] = 0
            for _ in range(100):
                await made.clock()
        assert [reply[1] for reply in made.replies] == [Status.BUSY] and not made.waiting
        made.replies.clear()
        made.inputs["waiting"] = 1
        for clocks, refused in ((_STUCK - 1, False), (20, True)):
            made.inputs["waiting"] = 0
            await made.clock()
            made.inputs["waiting"] = 1
            if not refused:       # the ticker waits for a few clocks before each run
                for _ in range(clocks):
                    await made.clock()
                made.inputs["waiting"] = 0
                await made.clock()
                continue
            for _ in range(clocks):
                await made.clock()
            assert (await made.do(Frame(1, kind, 5, payload)))[0] == Status.BUSY
    made.inputs |= {"running": 0, "waiting": 0}
    made.accesses.clear()
    for _ in range(2 * _DRAIN):
        await made.clock()
    status, payload = await made.do(Frame(1, Command.READ, 5, struct.pack("<IH", link_address(_FABRIC, LinkMemory.REGISTERS, 0), 1)))
    assert (status, len(payload)) == (Status.OK, 4), "interpreter: a refused command moved the number on"
    assert [where >> 24 for _, where, _ in made.accesses] == [link_unit(_FABRIC)]


@cocotb.test()
async def quiet(dut: Any) -> None:
    """`quiet` between frames alone, `welcome` once with each hello, `refused` once with each refusal."""
    made = await _made(dut, "interpreter quiet")
    for command, welcomes, refusals in ((Frame(3, Command.READ, 0, bytes(6)), 0, 1), (Frame(3, Command.HELLO, 9, b""), 1, 0),
                                        (Frame(4, Command.WRITE, 9, bytes(8)), 0, 0), (Frame(5, 9, 9, b""), 0, 1)):
        for name in made.flags:
            made.flags[name] = 0
        for _ in range(5):
            await made.clock()
        assert made.flags["quiet"] == 5, "interpreter: not quiet between frames"
        made.send(command)
        await made.clock()
        while made.waiting:
            await made.clock()
        assert made.flags == {"quiet": 5, "welcome": welcomes, "refused": refusals}, f"interpreter: {command}: {made.flags}"
        assert len(made.replies) == 1
        made.replies.clear()
