"""The link's rules in plain Python: what a device answers to frames, without line, fabric and time.

A reference for the RTL, and a fake for tests of the driver. Memories are words that read as they were written.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

import numpy as np

from ranvier.model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR, DeviceConfig
from ranvier.model.fabric.image import split_address
from ranvier.model.fabric.layout import OFFSET_BITS
from ranvier.model.link.addresses import addresses_of, unit_kinds
from ranvier.model.link.identity import IDENTITY_WORDS, identity_words
from ranvier.model.link.protocol import (
    CRC_BYTES,
    FLAG,
    HEADER_BYTES,
    MOST_READ,
    Command,
    Frame,
    LinkMemory,
    Register,
    Status,
    encode,
    frame,
    link_address,
    unescape,
    values_per_write,
)

__all__ = ["LinkModel", "written_words"]

_OFFSETS = (1 << OFFSET_BITS) - 1
_FRAME_BYTES = HEADER_BYTES + CRC_BYTES     # besides the payload


class LinkModel:
    """A device's link as a serial port: `write` gives it bytes, `read` has it execute frames and takes what it answers.

    lose_frame, lose_reply
        Called with the number of a frame or of a reply, from 0; where they are true it never arrives.
    refuse
        Called with command and address of a frame that could be executed; a status other than None is answered instead.

    ``executed`` lists command and address of what was executed, repeats of reads too; ``stale`` what was only acknowledged again;
    ``accesses`` every access to a word, in its order: ``"write"``, address and data, or ``"read"``, address and 0.
    """

    def __init__(self, config: DeviceConfig, *, lose_frame: Callable[[int], bool] = lambda n: False,
                 lose_reply: Callable[[int], bool] = lambda n: False,
                 refuse: Callable[[Command, int], Status | None] = lambda command, address: None) -> None:
        self._config = config
        self._addresses = addresses_of(config.fabric, config.link.record_depth)
        self._lose_frame, self._lose_reply, self._refuse = lose_frame, lose_reply, refuse
        self.timeout: float | None = None
        self.baudrate = round(config.clock_hz / config.divisor)
        self.memory: dict[int, int] = {link_address(config.fabric, LinkMemory.IDENTITY, n): word
                                       for n, word in enumerate(identity_words(config))}
        self.memory[self._register(Register.DIVISOR)] = config.divisor
        self.executed: list[tuple[Command, int]] = []
        self.stale: list[tuple[Command, int]] = []
        self.accesses: list[tuple[str, int, int]] = []
        self.most_held = 0
        self.breaks = 0
        self._due, self._open, self._session = 0, False, 0
        self._piece = bytearray()
        self._waiting: deque[Frame] = deque()
        self._answers = bytearray()
        self._frames = self._replies = 0

    # The port

    @property
    def in_waiting(self) -> int:
        """Bytes of answers."""
        return len(self._answers)

    def write(self, data: bytes, /) -> int:
        """Take bytes from the host. Frames that no longer fit are dropped, and counted."""
        for byte in data:
            if byte != FLAG:
                self._piece.append(byte)
                continue
            if self._piece:
                self._take(bytes(self._piece))
            self._piece.clear()
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        """Execute frames until there is something to read; nothing where there is none left, as after a time-out."""
        while not self._answers and self._waiting:
            self._execute(self._waiting.popleft())
        found = bytes(self._answers[:size])
        del self._answers[:size]
        return found

    def reset_input_buffer(self) -> None:
        """Forget the answers."""
        self._answers.clear()

    def send_break(self, duration: float = 0.25) -> None:
        """Back to the first rate."""
        self.breaks += 1
        self.memory[self._register(Register.DIVISOR)] = self._config.divisor

    def close(self) -> None:
        """Nothing."""

    def reset(self) -> None:
        """What the reset pin does."""
        self._open, self._due, self._session = False, 0, 0
        self._waiting.clear()

    # The link

    @property
    def due(self) -> int:
        """The sequence number of the next command."""
        return self._due

    @property
    def session(self) -> int:
        """The session that was begun last."""
        return self._session

    def _register(self, register: Register) -> int:
        return link_address(self._config.fabric, LinkMemory.REGISTERS, register)

    def _count(self, register: Register) -> None:
        self.memory[self._register(register)] = (self.memory.get(self._register(register), 0) + 1) & 0xFF

    def _take(self, piece: bytes) -> None:
        found = unescape(piece)
        if found is None:
            self._count(Register.BAD_FRAMES)
            return
        self._frames += 1
        if self._lose_frame(self._frames - 1):
            self._count(Register.BAD_FRAMES)
            return
        held = sum(_FRAME_BYTES + len(waiting.payload) for waiting in (*self._waiting, found))
        if held > self._config.link.buffer_bytes:
            self._count(Register.OVERRUNS)
            return
        self.most_held = max(self.most_held, held)
        self._waiting.append(found)

    def execute(self, found: Frame) -> bytes:
        """The reply to a command, before escaping."""
        status, answer = self._answer(found)
        return frame(found.sequence, status, self._session, answer)

    def _execute(self, found: Frame) -> None:
        reply = self.execute(found)
        self._replies += 1
        if not self._lose_reply(self._replies - 1):
            self._answers += encode(reply)

    def _answer(self, found: Frame) -> tuple[Status, bytes]:
        """Status and payload of the reply. Its session is the one that is open then."""
        sequence, code, session, payload = found
        if code == Command.HELLO:
            self._session, self._open = session, not payload
            if payload:
                return Status.COMMAND, b""
            self._due = (sequence + 1) & 0xFF
            return Status.OK, self._words(link_address(self._config.fabric, LinkMemory.IDENTITY, 0), IDENTITY_WORDS)
        if self._open and session != self._session:
            return Status.SESSION, b""
        repeated = sequence == (self._due - 1) & 0xFF
        if not self._open or sequence != self._due and not repeated:
            return Status.SEQUENCE, bytes([self._due, self._open])
        if not _well_formed(code, payload):
            return Status.COMMAND, b""
        command, (address,) = Command(code), struct.unpack_from("<I", payload)
        if repeated and command != Command.READ:
            self.stale.append((command, address))
            return Status.OK, b""
        if command == Command.READ:
            (count,) = struct.unpack_from("<H", payload, 4)
            if not 1 <= count <= MOST_READ:
                return Status.COMMAND, b""
            status = Status.ADDRESS if self._is_beyond(address, count) else self._refuse(command, address)
            answer = self._words(address, count) if status is None else b""
        else:
            status, answer = self._write(command, address, payload[4:]), b""
        if status is not None:
            return status, b""
        self.executed.append((command, address))
        if not repeated:
            self._due = (self._due + 1) & 0xFF
        return Status.OK, answer

    def _is_beyond(self, address: int, count: int) -> bool:
        """Whether ``count`` words from ``address`` on reach behind their memory's last."""
        unit, memory, offset = split_address(address)
        kinds = unit_kinds(self._config.fabric)
        return offset + count > (self._addresses[kinds[unit]].get(memory, 0) if unit < len(kinds) else 0)

    def _words(self, address: int, count: int) -> bytes:
        self.accesses += [("read", address + n, 0) for n in range(count)]
        return b"".join(struct.pack("<I", self.memory.get(address + n, 0)) for n in range(count))

    def _write(self, command: Command, address: int, data: bytes) -> Status | None:
        """Word after word, up to the first that is refused."""
        for n, word in enumerate(written_words(command, data, values_per_write(self._config.fabric))):
            where = _next(address, n)
            if self._is_beyond(where, 1):
                return Status.ADDRESS
            if where == self._register(Register.DIVISOR) and not LEAST_DIVISOR <= word < 1 << DIVISOR_BITS:
                return Status.VALUE
            status = None if n else self._refuse(command, address)
            if status is not None:
                return status
            self.accesses.append(("write", where, word))
            self.memory[where] = word
        return None


def _next(address: int, n: int) -> int:
    """Only the offset counts on."""
    return address & ~_OFFSETS | (address + n) & _OFFSETS


def _well_formed(code: int, payload: bytes) -> bool:
    if code == Command.READ:
        return len(payload) == 6
    if code == Command.WRITE:
        return len(payload) >= 8 and len(payload) % 4 == 0
    return code in (Command.WRITE_8, Command.WRITE_4, Command.WRITE_1) and len(payload) > 4


def written_words(command: Command, data: bytes, each: int) -> list[int]:
    """What a write puts at its addresses, of which each takes ``each`` values."""
    if command == Command.WRITE:
        return [int(word) for word in np.frombuffer(data, "<u4")]
    values = list(data)
    if command == Command.WRITE_4:
        values = [17 * nibble for byte in data for nibble in (byte & 15, byte >> 4)]
    elif command == Command.WRITE_1:
        values = [byte >> bit & 1 for byte in data for bit in range(8)]
    return [int.from_bytes(bytes(values[n:n + each]), "little") for n in range(0, len(values) // each * each, each)]
