"""The link of the compiled device, frame by frame: sessions, repeats, and what it refuses."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest

from ranvier.device.session import Session, TakenOver
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.image import address, control_address
from ranvier.model.fabric.layout import Control, Memory
from ranvier.model.link.addresses import addresses_of, unit_kinds
from ranvier.model.link.protocol import Command, LinkMemory, Register, Status, link_address
from ranvier.sim.device import SimulatedPort
from ranvier.verify.line_faults import FAULT_DEVICE, Probe

FABRIC = FAULT_DEVICE.fabric
WEIGHTS = address(0, Memory.WEIGHTS, 0)
DIVISOR = link_address(FABRIC, LinkMemory.REGISTERS, Register.DIVISOR)


@pytest.fixture
def probe() -> Iterator[Probe]:
    """A host with a session at a device whose runs do nothing but count clocks."""
    made = Probe(FAULT_DEVICE)
    assert made.hello(1, 0x123456)
    made.write(address(0, Memory.PROGRAM, 0), 0, 0)
    made.write(address(1, Memory.ROWS, 0), 0, 0)
    made.write(control_address(FABRIC, Control.TICKS), 5, 0, 5, 1, 0)
    yield made
    made.simulator.close()


def written(place: int, *words: int) -> bytes:
    return struct.pack(f"<I{len(words)}I", place, *words)


def test_a_repeated_run_is_acknowledged_and_not_done(probe: Probe) -> None:
    """The reply to a run was lost and the host sends it again: the clocks of runs say whether it ran twice."""
    command, clocks = control_address(FABRIC, Control.COMMAND), control_address(FABRIC, Control.CLOCKS)
    probe.write(command, 7)
    once = probe.read(clocks, 1)[0]
    assert once > 0
    probe.write(command, 5)
    number = (probe.due - 1) & 0xFF
    for _ in range(3):
        assert probe.command(number, Command.WRITE, written(command, 5)) == (Status.OK, b"")
    probe.simulator.run(1000)
    assert probe.read(clocks, 1)[0] == 2 * once
    assert probe.command(number, Command.WRITE, written(command, 5)) == (Status.SEQUENCE, bytes([probe.due, 1]))   # older than the last


def test_frames_of_another_session_are_refused(probe: Probe) -> None:
    """With the number that is due and with the one before; in no byte of the session's number may they agree by chance alone."""
    probe.write(WEIGHTS, 5)
    for other in (0, 0x123457, 0x123556, 0x133456, 0xFFFFFF):
        for number in (probe.due, (probe.due - 1) & 0xFF):
            assert probe.command(number, Command.WRITE, written(WEIGHTS, 9), other) == (Status.SESSION, b"")
    assert probe.read(WEIGHTS, 1) == [5]
    assert probe.hello(7, 0xABCDEF)
    assert probe.command(8, Command.WRITE, written(WEIGHTS, 9), 0x123456) == (Status.SESSION, b"")
    assert probe.read(WEIGHTS, 1) == [5]


def test_a_hello_with_a_payload_opens_nothing(probe: Probe) -> None:
    probe.session = 0x777777
    assert probe.command(40, Command.HELLO, b"x") == (Status.COMMAND, b"")
    status, payload = probe.command(41, Command.READ, struct.pack("<IH", WEIGHTS, 1)) or (None, b"")
    assert status == Status.SEQUENCE and payload[1] == 0


class Tap:
    """One end of a line that two hosts share: what it writes goes to the device, what the device says every tap hears."""

    def __init__(self, port: SimulatedPort, taps: list[Tap]) -> None:
        self._port, self._taps, self._heard = port, taps, bytearray()
        self.timeout: float | None = None
        self.baudrate = port.baudrate
        taps.append(self)

    @property
    def in_waiting(self) -> int:
        return len(self._heard)

    def write(self, data: bytes, /) -> int:
        return self._port.write(data)

    def read(self, size: int = 1, /) -> bytes:
        self._port.timeout = self.timeout
        if not self._heard:
            data = self._port.read(1) + self._port.simulator.take()
            for tap in self._taps:
                tap._heard += data
        found = bytes(self._heard[:size])
        del self._heard[:size]
        return found

    def reset_input_buffer(self) -> None:
        self._heard.clear()

    def send_break(self, duration: float = 0.25) -> None:
        self._port.send_break(duration)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("shared", [True, False], ids=["both hear all", "each hears its own"])
@pytest.mark.parametrize("seed", range(3))
def test_two_hosts_on_one_line(shared: bool, seed: int) -> None:
    """Whatever was acknowledged was executed; who was first is told, and stays out until it is opened again."""
    port, rng = SimulatedPort(FAULT_DEVICE), random.Random(seed)
    taps: list[Tap] = []
    first, second = (Session(Tap(port, taps if shared else []), silence=port.silence, rng=rng) for _ in range(2))
    mine, its = WEIGHTS, WEIGHTS + 8
    first.hello()
    first.write(mine, 0x1111)
    second.hello()
    for n in range(3):
        with pytest.raises(TakenOver, match="another program has taken this device over since"):
            first.write(mine, 0x1000 + n)
        second.write(its, 0x2000 + n)
        assert [int(second.read(place, 1)[0]) for place in (mine, its)] == [0x1111, 0x2000 + n]
    with pytest.raises(TakenOver):
        first.hello()
    port.close()


def test_hosts_that_begin_alike_are_told_apart() -> None:
    """The same sequence number is due for both, and only the session's number differs."""
    probe = Probe(FAULT_DEVICE)
    assert probe.hello(64, 1)
    assert probe.hello(64, 2)
    assert probe.command(65, Command.WRITE, written(WEIGHTS, 1), 1) == (Status.SESSION, b"")
    assert probe.command(65, Command.WRITE, written(WEIGHTS, 2), 2) == (Status.OK, b"")
    assert probe.command(65, Command.WRITE, written(WEIGHTS, 1), 1) == (Status.SESSION, b"")
    probe.due = 66
    assert probe.read(WEIGHTS, 1) == [2]
    probe.simulator.close()


def test_no_access_reaches_behind_a_memory(probe: Probe) -> None:
    """Every memory of every unit, those that there are not too: its last word can be had, the one behind it is refused, and no other
    word takes its place. A read that only ends behind is refused whole; a write stops there.
    """
    kinds = unit_kinds(FABRIC)
    reaches = addresses_of(FABRIC, FAULT_DEVICE.link.record_depth)
    tried = 0
    for unit in (*range(len(kinds)), len(kinds), 255):
        kind = reaches[kinds[unit]] if unit < len(kinds) else {}
        for memory in range(16):
            reach = kind.get(memory, 0)
            last, first = address(unit, memory, reach - 1), address(unit, memory, 0)
            if reach:
                kept = probe.read(first, 1)
                assert len(probe.read(last, 1)) == 1
            for offset, words in ((reach, 1), (reach, 3), (reach * 2, 1), ((1 << 20) - 1, 1), *(((reach - 1, 2),) if reach else ())):
                asked = struct.pack("<IH", address(unit, memory, offset), words)
                assert probe.command(probe.due, Command.READ, asked) == (Status.ADDRESS, b""), (unit, memory, offset, words)
            for offset in (reach, reach + 5, (1 << 20) - 1):
                data = written(address(unit, memory, offset), 0x5A5A5A5A)
                assert probe.command(probe.due, Command.WRITE, data) == (Status.ADDRESS, b""), (unit, memory, offset)
                tried += 1
            if reach and (unit, memory) != (len(kinds) - 1, LinkMemory.REGISTERS):
                assert probe.read(first, 1) == kept, (unit, memory)
    assert tried == 3 * 16 * (len(kinds) + 2)


def test_a_write_that_runs_over_the_end_stops_there(probe: Probe) -> None:
    reach = addresses_of(FABRIC, 16)["core"][Memory.WEIGHTS]
    probe.write(WEIGHTS, 0x1111, 0x2222)
    data = written(WEIGHTS + reach - 1, 0x3333, 0x4444, 0x5555)
    assert probe.command(probe.due, Command.WRITE, data) == (Status.ADDRESS, b"")
    assert probe.read(WEIGHTS, 2) == [0x1111, 0x2222]
    assert probe.read(WEIGHTS + reach - 1, 1) == [0x3333]


def test_divisors_that_a_line_cannot_have_are_refused(probe: Probe) -> None:
    before = probe.read(DIVISOR, 1)
    for value in (0, 1, 3, 4096, 4096 + 8, 1 << 16, 1 << 31, 0xFFFFFFFF):
        assert probe.command(probe.due, Command.WRITE, written(DIVISOR, value)) == (Status.VALUE, b""), value
        assert probe.read(DIVISOR, 1) == before
    session = Session(SimulatedPort(FAULT_DEVICE), silence=0.01)
    session.hello()
    for value in (3, 4096):
        with pytest.raises(RanvierError, match=f"DIVISOR is {value}; a bit lasts 4 to 4095 clocks"):
            session.write(DIVISOR, value)
    assert session.read(DIVISOR, 1).tolist() == before
    session.port.close()
