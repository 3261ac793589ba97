"""Faults on the line, counted: whatever arrives, the device executes whole commands or nothing, and answers the next good one.

Each case sends one command with one fault in it and then asks the device what it has done. The command may have been executed,
because the fault did not change what a receiver sees, or not at all; there is no third outcome. What the memories must hold is
kept beside, and compared word by word at the end.
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
from ..model.fabric.image import address
from ..model.fabric.layout import CHUNK_BITS, Control, Memory, memory_map
from ..model.link.protocol import ESCAPE, FLAG, MOST_READ, Command, LinkMemory, Status, encode, frame, link_address, unescape
from ..sim.device import DeviceSimulator, Symbol, broken_stop, flipped, hold, idle, symbol_of

__all__ = ["FAULT_DEVICE", "FaultTally", "run_line_faults"]

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
                "commands_dropped": self.dropped, "noise_bytes": self.noise_bytes, "words_compared": self.words_compared,
                "failures": self.failures}


class _Probe:
    """A host that sends what it likes and believes nothing."""

    def __init__(self, config: DeviceConfig) -> None:
        self.config = config
        self.simulator = DeviceSimulator(config)
        self.due = 0
        self.heard: list[tuple[int, int, bytes]] = []    # good replies to the last exchanges

    def exchange(self, symbols: list[Symbol], sequence: int | None = None) -> list[tuple[int, int, bytes]]:
        """Send, and wait for the reply with number ``sequence``, or until nothing more comes; all good replies."""
        bit = self.config.divisor
        self.simulator.send(symbols)
        self.simulator.run(1 << 40, sent=True)
        heard = bytearray(self.simulator.take())
        silence = (1 << self.config.link.patience_log2) + 60 * bit
        while True:
            found = [good for good in map(unescape, bytes(heard).split(bytes([FLAG]))) if good is not None]
            if any(number == sequence for number, _, _ in found):
                break
            before = self.simulator.waiting
            self.simulator.run(silence, wanted=before + 1)
            if self.simulator.waiting == before:
                break
            heard += self.simulator.take()
        self.heard += found
        return found

    def command(self, sequence: int, code: int, payload: bytes = b"") -> tuple[int, bytes] | None:
        """A good command's status and payload; None if no reply has its number."""
        symbols = [symbol_of(byte) for byte in encode(frame(sequence, code, payload))]
        for number, status, found in reversed(self.exchange(symbols, sequence)):
            if number == sequence:
                return status, found
        return None

    def hello(self, sequence: int) -> bool:
        """Begin a session."""
        answer = self.command(sequence, Command.HELLO)
        self.due = (sequence + 1) & 0xFF
        return answer is not None and answer[0] == Status.OK

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
    """What the memories must hold: chunks by address, for every memory that the host may write."""

    def __init__(self, config: FabricConfig) -> None:
        self.places: list[tuple[int, int, int]] = []    # address, chunks in a row, bits of the last of them
        self.expected: dict[int, int] = {}
        for unit in range(config.nodes):
            for memory, layout in memory_map(config, "core" if unit < config.cores else "input").items():
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


def _victim(rng: Random, config: DeviceConfig, mirror: _Mirror) -> tuple[Command, bytes, tuple[int, int, int], list[int]]:
    """A command to be disturbed; where it writes, and what will be there if it is executed (nothing else changes)."""
    place = rng.choice(mirror.places)
    present = [mirror.expected[place[0] + n] for n in range(place[1])]
    kind = rng.random()
    if kind < 0.75:
        words = [rng.choice((0x7E7E7E7E, 0x7D5E7D5D, rng.getrandbits(32))) for _ in range(place[1])]
        return Command.WRITE, struct.pack(f"<I{place[1]}I", place[0], *words), place, mirror.masked(place, words)
    if kind < 0.85:
        return Command.READ, struct.pack("<IH", place[0], place[1]), place, present
    if kind < 0.95:
        code = rng.choice((Command.WRITE_8, Command.WRITE_4, Command.WRITE_1))
        return code, struct.pack("<I", address(config.fabric.cores, Memory.INPUTS, 0)) + rng.randbytes(4), place, present
    return Command.WRITE, struct.pack("<II", address(config.fabric.nodes, 0, Control.STEPS), rng.getrandbits(16)), place, present


def run_line_faults(count: int, *, seed: int = 0, noise_bytes: int = 100_000, config: DeviceConfig = FAULT_DEVICE,
                    progress: Callable[[int], None] | None = None) -> FaultTally:
    """Inject ``count`` seeded faults and then nothing but noise into a simulated device's line, and compare all memories at the end.

    The tally's ``failures`` say what went wrong, the first with the number of its case; there should be none.
    """
    rng, probe, mirror, tally = Random(seed), _Probe(config), _Mirror(config.fabric), FaultTally()
    try:
        assert probe.hello(rng.randrange(256)), "a device that nobody disturbed does not say hello"
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


def _fill(rng: Random, probe: _Probe, mirror: _Mirror) -> None:
    """Random contents everywhere, so that a write in the wrong place shows."""
    for place in mirror.places:
        words = [rng.getrandbits(32) for _ in range(place[1])]
        answer = probe.command(probe.due, Command.WRITE, struct.pack(f"<I{place[1]}I", place[0], *words))
        assert answer == (Status.OK, b""), f"a good write was answered with {answer}"
        probe.due = (probe.due + 1) & 0xFF
        for n, word in enumerate(mirror.masked(place, words)):
            mirror.expected[place[0] + n] = word


def _case(rng: Random, kind: str, probe: _Probe, mirror: _Mirror, tally: FaultTally) -> None:
    config = probe.config
    code, payload, place, after = _victim(rng, config, mirror)
    wire = encode(frame(probe.due, code, payload))
    symbols = _corrupt(rng, wire, kind)
    tally.noise_bytes += max(0, len(symbols) - len(wire)) if kind in ("noise", "noisy line", "endless frame") else 0
    skew = rng.choice((-_MOST_SKEW, _MOST_SKEW)) if kind == "baud" else 0.0
    probe.simulator.set_bit_time(config.divisor * (1 + skew))
    probe.heard.clear()
    victim = probe.due
    if kind == "killed host":      # what is left of the frame never comes; another host opens the port
        probe.exchange([*symbols[:rng.randrange(len(symbols))], _REST])
        assert probe.hello((victim + rng.randrange(2, 255)) & 0xFF), "no hello after a host was killed"
    else:
        probe.exchange([*symbols, _REST])
    probe.simulator.set_bit_time(config.divisor)
    moved_on = _has_moved_on(probe, place)
    # A frame that lacks only its last flag ends with the first flag of the next one.
    executed = (victim, Status.OK) in [(number, status) for number, status, _ in probe.heard]
    assert executed == (moved_on or kind == "killed host" and executed), "a command was executed in silence, or answered and not executed"
    assert kind != "baud" or executed, f"a rate that is off by {skew:+.0%} was not understood"
    before = [mirror.expected[place[0] + n] for n in range(place[1])]
    found = probe.read(place[0], place[1])
    assert found == (after if executed else before), (
        f"address {place[0]:#010x}: {found}, expected {after if executed else before}; executed: {executed}")
    tally.executed += executed
    tally.dropped += not executed
    for n, word in enumerate(found):
        mirror.expected[place[0] + n] = word


def _has_moved_on(probe: _Probe, place: tuple[int, int, int]) -> bool:
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


def _drown(rng: Random, probe: _Probe, tally: FaultTally, noise_bytes: int) -> None:
    """Nothing but noise, a good command now and then."""
    for _ in range(noise_bytes // _NOISE_BLOCK):
        tally.injected["long noise"] += 1
        tally.noise_bytes += _NOISE_BLOCK
        probe.exchange([*(symbol_of(byte) for byte in rng.randbytes(_NOISE_BLOCK)), _REST])
        probe.read(link_address(probe.config.fabric, LinkMemory.IDENTITY, 0), 1)


def _compare(probe: _Probe, mirror: _Mirror, tally: FaultTally) -> None:
    for place in mirror.places:
        expected = [mirror.expected[place[0] + n] for n in range(place[1])]
        found = probe.read(place[0], place[1])
        tally.words_compared += len(found)
        if found != expected:
            tally.failures.append(f"address {place[0]:#010x} holds {found}, expected {expected}")
