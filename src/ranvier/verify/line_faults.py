"""Faults on the line, counted: whatever arrives, the device executes whole commands or nothing, and answers the next good one.

Each case sends one command with one fault in it and then asks the device what it has done. The command may have been executed,
because the fault did not change what a receiver sees, or not at all; there is no third outcome. In half of the cases the host then
sends the command again, as if the reply had been lost: then it has been executed, once. Runs, clears and complete banks show what is
executed twice: clocks are counted, and a bank can be completed only once. What the memories must hold is kept beside, and compared word by
word at the end.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ..model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ..model.fabric.device_config import DeviceConfig, LinkConfig
from ..model.fabric.image import address, control_address
from ..model.fabric.layout import CHUNK_BITS, Control, Memory, memory_map
from ..model.link.addresses import addresses_of, unit_kinds
from ..model.link.protocol import (
    ESCAPE,
    FLAG,
    MOST_READ,
    SESSION_BYTES,
    Command,
    Frame,
    LinkMemory,
    Register,
    Status,
    encode,
    frame,
    link_address,
    unescape,
)
from ..sim.device import DeviceSimulator, Symbol, broken_stop, flipped, hold, idle, symbol_of

__all__ = ["FAULT_DEVICE", "FaultTally", "Probe", "run_line_faults"]

#: A small device with few clocks a bit, so that many faults fit into a minute.
FAULT_DEVICE = DeviceConfig(
    FabricConfig(cores=1, core=CoreConfig(lanes=4, sweep_lanes=2, program_depth=32, row_depth=16, weight_depth=128, state_depth=16,
                                          drive_depth=16, dynamics_depth=16),
                 input=InputConfig(sweep_lanes=4, row_depth=4, state_depth=8, drive_depth=8, dynamics_depth=4),
                 word_bits=16, spike_depth=128),
    LinkConfig(buffer_bytes=1024, record_depth=16, patience_log2=8), clock_hz=8_000_000, baud=1_000_000, board="line faults")

# Long enough for a receiver in the middle of a byte to be at rest again.
_REST = idle(24)
_MOST_SKEW = 0.03
_NOISE_BLOCK = 1000


@dataclass
class FaultTally:
    """What was injected, and what became of it."""

    injected: Counter[str] = field(default_factory=Counter)
    executed: int = 0
    dropped: int = 0
    refused: int = 0
    repeated: int = 0
    victims: Counter[str] = field(default_factory=Counter)
    noise_bytes: int = 0
    words_compared: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Faults injected."""
        return sum(self.injected.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"faults": self.total, "by_kind": dict(sorted(self.injected.items())), "commands_executed": self.executed,
                "commands_dropped": self.dropped, "commands_refused": self.refused, "commands_sent_again": self.repeated,
                "commands_by_kind": dict(sorted(self.victims.items())), "noise_bytes": self.noise_bytes,
                "words_compared": self.words_compared,
                "failures": self.failures}


class Probe:
    """A host that sends what it likes and believes nothing.

    ``due`` is the sequence number that is due, ``session`` the session that is open, ``heard`` what was answered since it was cleared.
    """

    def __init__(self, config: DeviceConfig) -> None:
        self.config = config
        self.simulator = DeviceSimulator(config)
        self.due = 0
        self.session = 0
        self.heard: list[Frame] = []

    def exchange(self, symbols: list[Symbol], sequence: int | None = None) -> list[Frame]:
        """Send, and wait for the reply with number ``sequence``, or until nothing more comes; all good replies."""
        bit = self.config.divisor
        self.simulator.send(symbols)
        self.simulator.run(1 << 40, sent=True)
        heard = bytearray(self.simulator.take())
        silence = (1 << self.config.link.patience_log2) + 60 * bit
        while True:
            found = [good for good in map(unescape, bytes(heard).split(bytes([FLAG]))) if good is not None]
            if any(reply.sequence == sequence for reply in found):
                break
            before = self.simulator.waiting
            self.simulator.run(silence, wanted=before + 1)
            if self.simulator.waiting == before:
                break
            heard += self.simulator.take()
        self.heard += found
        return found

    def command(self, sequence: int, code: int, payload: bytes = b"", session: int | None = None) -> tuple[int, bytes] | None:
        """Status and payload of the reply to a good command; None if no reply has its number. The reply names the open session."""
        wire = encode(frame(sequence, code, self.session if session is None else session, payload))
        for reply in reversed(self.exchange([symbol_of(byte) for byte in wire], sequence)):
            if reply.sequence == sequence:
                assert reply.session == self.session, f"the reply is of session {reply.session:#x}, {self.session:#x} is open"
                return reply.code, reply.payload
        return None

    def hello(self, sequence: int, session: int = 0) -> bool:
        """Begin a session."""
        self.session = session
        answer = self.command(sequence, Command.HELLO)
        self.due = (sequence + 1) & 0xFF
        return answer is not None and answer[0] == Status.OK

    def write(self, place: int, *words: int) -> None:
        """Write words with a good command; raises `AssertionError` where that does not work."""
        answer = self.command(self.due, Command.WRITE, struct.pack(f"<I{len(words)}I", place, *words))
        assert answer == (Status.OK, b""), f"a good write was answered with {answer}"
        self.due = (self.due + 1) & 0xFF

    def read(self, place: int, count: int) -> list[int]:
        """Words read with a good command; raises `AssertionError` where that does not work."""
        words: list[int] = []
        while len(words) < count:
            some = min(MOST_READ, count - len(words))
            answer = self.command(self.due, Command.READ, struct.pack("<IH", place + len(words), some))
            assert answer is not None and answer[0] == Status.OK, f"a good read was answered with {answer}"
            words += struct.unpack(f"<{some}I", answer[1])
            self.due = (self.due + 1) & 0xFF
        return words


class _Mirror:
    """What the device must hold: chunks by address, for every memory that the host may write; clocks of runs, and the input bank.

    The first words of the programs stay 0, so that a run ends and changes nothing but the clocks.
    """

    def __init__(self, config: FabricConfig) -> None:
        self.fixed = {address(0, Memory.PROGRAM, 0), address(config.cores, Memory.ROWS, 0)}
        self.run_clocks = self.clocks = 0
        self.complete = False       # the bank that the host writes
        self.places: list[tuple[int, int, int]] = []    # address, chunks in a row, bits of the last of them
        self.expected: dict[int, int] = {}
        for unit in range(config.nodes):
            for memory, layout in memory_map(config, config.unit(unit)).items():
                if memory in (Memory.INPUTS, Memory.READOUT):
                    continue          # the host writes one bank and reads the other; it cannot write readouts
                for word in range(layout.depth):
                    first = address(unit, memory, word * layout.chunk_step)
                    last = layout.bits - (layout.chunks - 1) * CHUNK_BITS
                    self.places.append((first, layout.chunks, last))

    def masked(self, place: tuple[int, int, int], words: list[int]) -> list[int]:
        """``words`` as the memory keeps them."""
        return [*words[:-1], words[-1] & (1 << place[2]) - 1]


def _corrupt(rng: Random, wire: bytes, kind: str) -> list[Symbol]:
    """``wire`` with one fault of ``kind``."""
    symbols = [symbol_of(byte) for byte in wire]
    at = rng.randrange(len(wire))
    if kind == "flipped bit":
        symbols[at] = flipped(wire[at], rng.randrange(10))
    elif kind == "flipped byte":
        symbols[at] = symbol_of(wire[at] ^ rng.randrange(1, 256))
    elif kind == "lost bytes":
        del symbols[at:at + rng.choice((1, 1, 1, 2, 3, 8))]
    elif kind == "doubled bytes":
        symbols[at:at] = symbols[at:at + rng.choice((1, 1, 2, 5))]
    elif kind == "inserted bytes":
        symbols[at:at] = [symbol_of(rng.choice((FLAG, ESCAPE, 0, 255, rng.randrange(256)))) for _ in range(rng.choice((1, 1, 2, 6)))]
    elif kind == "broken stop bit":
        symbols[at] = broken_stop(wire[at])
    elif kind == "break":
        symbols[at:at] = [hold(rng.choice((3, 12, 25, 60))), _REST]
    elif kind == "glitch":
        symbols[at:at] = [(0b1111110, 7)]        # a short low that looks like a start bit
    elif kind == "cut":
        symbols = symbols[:at]
    elif kind == "noise":
        symbols[at:at] = [symbol_of(rng.randrange(256)) for _ in range(rng.randrange(20, 120))]
    elif kind == "noisy line":
        symbols[at:at] = [(rng.getrandbits(31), 31) for _ in range(rng.randrange(1, 30))]
    elif kind == "swapped bytes":
        other = rng.randrange(len(wire))
        symbols[at], symbols[other] = symbols[other], symbols[at]
    elif kind == "doubled frame":
        symbols += symbols
    elif kind == "joined frames":
        symbols = symbols[:at] + symbols
    elif kind == "endless frame":
        symbols[1:1] = [symbol_of(rng.choice((1, 2, 3))) for _ in range(rng.randrange(520, 700))]
    else:
        assert kind in ("baud", "killed host"), kind
    return symbols


_KINDS = ("flipped bit", "flipped byte", "lost bytes", "doubled bytes", "inserted bytes", "broken stop bit", "break", "glitch", "cut",
          "noise", "noisy line", "swapped bytes", "doubled frame", "joined frames", "endless frame", "baud", "killed host")
# Faults that are many bytes long come less often.
_WEIGHTS = (12, 12, 10, 8, 10, 8, 6, 6, 10, 1, 2, 6, 6, 6, 0.3, 6, 6)


@dataclass(frozen=True)
class _Victim:
    """A command to be disturbed, and what will be if it arrives: the ``status`` of its reply; and if that is OK, where it writes and what
    will be there, the clocks of runs, and whether the input bank is complete. Nothing else changes.
    """

    kind: str
    command: Command
    payload: bytes
    place: tuple[int, int, int]
    words: list[int]
    clocks: int
    complete: bool
    status: Status = Status.OK
    foreign: bool = False      # it is of another session


def _control(rng: Random, config: DeviceConfig, mirror: _Mirror) -> tuple[str, int, int, bool]:
    """A command to the ticker that can be done now, its value, the clocks after it, and whether the bank is complete then."""
    run, kept = mirror.run_clocks, mirror.clocks
    found = [("clear", 2, 0, mirror.complete)]
    if mirror.complete:
        found += [("run", 1, kept + run, False)] * 3 + [("run from 0", 3, run, False)]
    else:
        found += [("bank and run", 5, kept + run, False)] * 3 + [("bank", 4, kept, True)] * 2 + [("bank and run from 0", 7, run, False)]
    return rng.choice(found)


def _refused(rng: Random, config: DeviceConfig) -> tuple[str, int, int, Status]:
    """A write that the device must refuse: what it is, address, word, status."""
    fabric = config.fabric
    if rng.random() < 0.3:
        value = rng.choice((0, 1, 2, 3, 4096, 1 << 16, rng.getrandbits(32) | 1 << 12))
        return "impossible divisor", link_address(fabric, LinkMemory.REGISTERS, Register.DIVISOR), value, Status.VALUE
    unit = rng.randrange(len(unit_kinds(fabric)) + 2)
    memory = rng.randrange(16)
    kinds = unit_kinds(fabric)
    reach = addresses_of(fabric, config.link.record_depth)[kinds[unit]].get(memory, 0) if unit < len(kinds) else 0
    return "address beyond", address(unit, memory, reach + rng.choice((0, 0, 1, reach))), rng.getrandbits(32), Status.ADDRESS


def _victim(rng: Random, config: DeviceConfig, mirror: _Mirror) -> _Victim:
    place = rng.choice([place for place in mirror.places if place[0] not in mirror.fixed])
    present = [mirror.expected[place[0] + n] for n in range(place[1])]
    kind = rng.random()
    state: dict[str, Any] = {"place": place, "clocks": mirror.clocks, "complete": mirror.complete}
    if kind < 0.3:
        name, value, clocks, complete = _control(rng, config, mirror)
        return _Victim(name, Command.WRITE, struct.pack("<II", control_address(config.fabric, Control.COMMAND), value), place, present,
                       clocks, complete)
    if kind < 0.4:
        name, where, value, status = _refused(rng, config)
        return _Victim(name, Command.WRITE, struct.pack("<II", where, value), words=present, status=status, **state)
    if kind < 0.8:
        words = [rng.choice((0x7E7E7E7E, 0x7D5E7D5D, rng.getrandbits(32))) for _ in range(place[1])]
        foreign = kind < 0.45
        return _Victim("another host's" if foreign else "words", Command.WRITE, struct.pack(f"<I{place[1]}I", place[0], *words),
                       words=mirror.masked(place, words), status=Status.SESSION if foreign else Status.OK, foreign=foreign, **state)
    if kind < 0.9 or mirror.complete:
        return _Victim("read", Command.READ, struct.pack("<IH", place[0], place[1]), words=present, **state)
    code = rng.choice((Command.WRITE_8, Command.WRITE_4, Command.WRITE_1))
    return _Victim("values", code, struct.pack("<I", address(config.fabric.cores, Memory.INPUTS, 0)) + rng.randbytes(4), words=present,
                   **state)


def run_line_faults(count: int, *, seed: int = 0, noise_bytes: int = 100_000, config: DeviceConfig = FAULT_DEVICE,
                    progress: Callable[[int], None] | None = None) -> FaultTally:
    """Inject ``count`` seeded faults and then nothing but noise into a simulated device's line, and compare all memories at the end.

    The tally's ``failures`` say what went wrong, the first with the number of its case; there should be none.
    """
    rng, probe, mirror, tally = Random(seed), Probe(config), _Mirror(config.fabric), FaultTally()
    try:
        assert probe.hello(rng.randrange(256), rng.getrandbits(8 * SESSION_BYTES)), "a device that nobody disturbed does not say hello"
        _fill(rng, probe, mirror)
        for number in range(count):
            kind = rng.choices(_KINDS, _WEIGHTS)[0]
            tally.injected[kind] += 1
            try:
                _case(rng, kind, probe, mirror, tally)
            except AssertionError as error:
                tally.failures.append(f"seed {seed}, fault {number}, {kind}: {error}")
                break
            if progress is not None:
                progress(1)
        try:
            if not tally.failures:
                _drown(rng, probe, tally, noise_bytes)
        except AssertionError as error:
            tally.failures.append(f"seed {seed}, {tally.noise_bytes} bytes of noise: {error}")
        if not tally.failures:
            _compare(probe, mirror, tally)
    finally:
        probe.simulator.close()
    return tally


def _fill(rng: Random, probe: Probe, mirror: _Mirror) -> None:
    """Random contents everywhere, so that a write in the wrong place shows; and the clocks of a run, which are all alike."""
    for place in mirror.places:
        words = [0 if place[0] in mirror.fixed else rng.getrandbits(32) for _ in range(place[1])]
        probe.write(place[0], *words)
        for n, word in enumerate(mirror.masked(place, words)):
            mirror.expected[place[0] + n] = word


    fabric = probe.config.fabric
    probe.write(control_address(fabric, Control.TICKS), 5, 0, 5, 1, 0)
    for command in (7, 7, 5):
        before = mirror.clocks
        probe.write(control_address(fabric, Control.COMMAND), command)
        probe.simulator.run(1000)
        mirror.clocks = probe.read(control_address(fabric, Control.CLOCKS), 1)[0]
        mirror.run_clocks = mirror.clocks if command == 7 else mirror.run_clocks
    assert mirror.run_clocks > 0 and mirror.clocks == before + mirror.run_clocks, f"runs of {before} and {mirror.clocks - before} clocks"


def _case(rng: Random, kind: str, probe: Probe, mirror: _Mirror, tally: FaultTally) -> None:
    config = probe.config
    victim = _victim(rng, config, mirror)
    place, number = victim.place, probe.due
    tally.victims[victim.kind] += 1
    session = (probe.session + rng.randrange(1, 1 << 8 * SESSION_BYTES)) % (1 << 8 * SESSION_BYTES) if victim.foreign else probe.session
    wire = encode(frame(number, victim.command, session, victim.payload))
    symbols = _corrupt(rng, wire, kind)
    tally.noise_bytes += max(0, len(symbols) - len(wire)) if kind in ("noise", "noisy line", "endless frame") else 0
    skew = rng.choice((-_MOST_SKEW, _MOST_SKEW)) if kind == "baud" else 0.0
    probe.simulator.set_bit_time(config.divisor * (1 + skew))
    probe.heard.clear()
    if kind == "killed host":      # what is left of the frame never comes; another host opens the port
        probe.exchange([*symbols[:rng.randrange(len(symbols))], _REST])
        opened = (number + rng.randrange(2, 255)) & 0xFF, rng.getrandbits(8 * SESSION_BYTES)
        assert probe.hello(*opened), "no hello after a host was killed"
    else:
        probe.exchange([*symbols, _REST])
    probe.simulator.set_bit_time(config.divisor)
    repeated = kind != "killed host" and rng.random() < 0.5
    if repeated:      # the reply, if there was one, is taken for lost
        again = probe.command(number, victim.command, victim.payload, session)
        assert again is not None and again[0] == victim.status, f"{victim.kind}, sent again, was answered with {again}"
        tally.repeated += 1
    moved_on = _has_moved_on(probe, place)
    # A frame that lacks only its last flag ends with the first flag of the next one.
    answers = [reply for reply in probe.heard if reply.sequence == number]
    assert all(reply.code == victim.status for reply in answers), f"{victim.kind}: {answers}, expected {victim.status.name}"
    twice = kind in ("doubled frame", "joined frames")      # of joined ones the first may lack its flag only
    assert len(answers) <= 1 + repeated + twice, f"{victim.kind}: {len(answers)} replies"
    executed = bool(answers) and victim.status == Status.OK
    # After a killed host the next number is that of another session.
    assert moved_on == (executed and kind != "killed host"), "a command was executed in silence, or answered and not executed"
    assert kind != "baud" or answers, f"a rate that is off by {skew:+.0%} was not understood"
    _check(probe, mirror, victim, executed)
    tally.executed += executed
    tally.refused += bool(answers) and not executed
    tally.dropped += not answers


def _check(probe: Probe, mirror: _Mirror, victim: _Victim, executed: bool) -> None:
    """The victim's place, the clocks and the bank are what they were, or what it makes of them once."""
    fabric, place = probe.config.fabric, victim.place
    if executed:
        mirror.clocks, mirror.complete = victim.clocks, victim.complete
        mirror.expected.update({place[0] + n: word for n, word in enumerate(victim.words)})
    expected = [mirror.expected[place[0] + n] for n in range(place[1])]
    found = probe.read(place[0], place[1])
    assert found == expected, f"{victim.kind}, address {place[0]:#010x}: {found}, expected {expected}; executed: {executed}"
    clocks = probe.read(control_address(fabric, Control.CLOCKS), 1)[0]
    assert clocks == mirror.clocks, f"{victim.kind}: {clocks} clocks of runs, expected {mirror.clocks}; executed: {executed}"
    state = probe.read(link_address(fabric, LinkMemory.REGISTERS, Register.STATE), 1)[0]
    assert state == (0 if mirror.complete else 4), f"{victim.kind}: STATE is {state}, expected {0 if mirror.complete else 4}"


def _has_moved_on(probe: Probe, place: tuple[int, int, int]) -> bool:
    """Ask with the number after the one that was disturbed: it is due exactly if that one was executed."""
    after = (probe.due + 1) & 0xFF
    answer = probe.command(after, Command.READ, struct.pack("<IH", place[0], 1))
    assert answer is not None, "no reply to a good command: the device hangs"
    status, payload = answer
    if status == Status.OK:
        probe.due = (after + 1) & 0xFF
        return True
    assert status == Status.SEQUENCE and payload == bytes([probe.due, 1]), f"reply {Status(status).name} with {payload.hex()}"
    return False


def _drown(rng: Random, probe: Probe, tally: FaultTally, noise_bytes: int) -> None:
    """Nothing but noise, a good command now and then."""
    for _ in range(noise_bytes // _NOISE_BLOCK):
        tally.injected["long noise"] += 1
        tally.noise_bytes += _NOISE_BLOCK
        probe.exchange([*(symbol_of(byte) for byte in rng.randbytes(_NOISE_BLOCK)), _REST])
        probe.read(link_address(probe.config.fabric, LinkMemory.IDENTITY, 0), 1)


def _compare(probe: Probe, mirror: _Mirror, tally: FaultTally) -> None:
    for place in mirror.places:
        expected = [mirror.expected[place[0] + n] for n in range(place[1])]
        found = probe.read(place[0], place[1])
        tally.words_compared += len(found)
        if found != expected:
            tally.failures.append(f"address {place[0]:#010x} holds {found}, expected {expected}")
