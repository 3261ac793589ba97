"""A session over a port: frames, sequence numbers, time-outs, and many commands on their way at once."""

from __future__ import annotations

import random
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR
from ..model.fabric.image import split_address
from ..model.link.addresses import addresses_of, unit_kinds
from ..model.link.identity import IDENTITY_WORDS, Identity, parse_identity
from ..model.link.protocol import (
    CRC_BYTES,
    FLAG,
    HEADER_BYTES,
    MOST_PAYLOAD,
    MOST_READ,
    MOST_WRITE,
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
    values_per_write,
)
from .port import Port

__all__ = ["NoAnswer", "Reply", "Request", "Session", "TakenOver", "Words", "read_request", "write_requests"]

Words = npt.NDArray[np.uint32]

#: Frames on their way: fewer than half the sequence numbers, so that old and new ones cannot be mixed up.
_MOST_FRAMES = 120
#: Silences and refusals without a step forward after which the driver gives up.
_ATTEMPTS = 6
#: Replies to frames that have long been answered, without a step forward, after which the other end is taken for something else.
_MOST_STRAYS = 1000
#: Longest that can stand between two flags: every byte escaped, and some.
_MOST_BETWEEN_FLAGS = 2 * (HEADER_BYTES + MOST_PAYLOAD + CRC_BYTES) + 16
#: Received bytes without a good frame among them after which the other end is taken for something else.
_MOST_NOISE = 1 << 16
#: Commands that a device must be able to hold: what every `LinkConfig` allows, until the identity says more.
_LEAST_BUFFER = 1024
_NOTHING: Words = np.zeros(0, np.uint32)


class NoAnswer(RanvierError):
    """Nothing at the other end says hello. ``heard`` tells whether any byte came."""

    def __init__(self, heard: bool, rate: int) -> None:
        super().__init__(f"link: {'bytes came, but no good answer' if heard else 'nothing came back'} at {rate} baud")
        self.heard = heard


class TakenOver(RanvierError):
    """Another program has said hello to the device since this session began."""

    def __init__(self) -> None:
        super().__init__("link: another program has taken this device over since; only one can use it at a time: close that one, then "
                         "open the device again and load the network")


@dataclass(frozen=True)
class Request:
    """A command: its payload, and the number of words that its reply has. ``take`` is called with them."""

    command: Command
    payload: bytes
    words: int = 0
    take: Callable[[Words], None] | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes up in the device's buffer."""
        return HEADER_BYTES + len(self.payload) + CRC_BYTES

    def addresses(self, each: int) -> int:
        """Addresses that it reaches, where a value command puts ``each`` values at one."""
        if self.command == Command.READ:
            return int(struct.unpack_from("<H", self.payload, 4)[0])
        data = len(self.payload) - 4
        values = {Command.WRITE_8: data, Command.WRITE_4: 2 * data, Command.WRITE_1: 8 * data}
        return values[self.command] // each if self.command in values else data // 4

    def __str__(self) -> str:
        if len(self.payload) < 4:
            return self.command.name
        (address,) = struct.unpack_from("<I", self.payload)
        unit, memory, offset = split_address(address)
        return f"{self.command.name} of unit {unit}, memory {memory}, offset {offset}"


@dataclass(frozen=True, eq=False)
class Reply:
    """A request that was executed, and the words that came back: None where they were lost on the way."""

    request: Request
    words: Words | None


def read_request(address: int, words: int, take: Callable[[Words], None] | None = None) -> Request:
    """A READ of 1 to `MOST_READ` words."""
    if not 1 <= words <= MOST_READ:
        raise ValueError(f"a read has 1 to {MOST_READ} words, not {words}")
    return Request(Command.READ, struct.pack("<IH", address, words), words, take)


def write_requests(pairs: Words) -> Iterator[Request]:
    """WRITEs that make configuration writes, in their order: uint32 (writes, 2), address and data."""
    if not len(pairs):
        return
    cuts = np.flatnonzero(np.diff(pairs[:, 0].astype(np.int64)) != 1) + 1
    for run in np.split(pairs, cuts):
        for first in range(0, len(run), MOST_WRITE):
            piece = run[first:first + MOST_WRITE]
            yield Request(Command.WRITE, struct.pack("<I", int(piece[0, 0])) + piece[:, 1].astype("<u4").tobytes())


class _Frames:
    """Received bytes cut at the flags."""

    def __init__(self) -> None:
        self._piece = bytearray()
        self.bad = 0        # pieces that were not good frames
        self.noise = 0      # bytes since the last good frame

    def forget(self) -> None:
        """Begin anew."""
        self._piece.clear()
        self.noise = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The good frames that ``data`` completes."""
        found = []
        self.noise += len(data)
        first, *more = data.split(bytes([FLAG]))
        self._grow(first)
        for piece in more:
            if self._piece:
                parsed = unescape(bytes(self._piece)) if len(self._piece) <= _MOST_BETWEEN_FLAGS else None
                if parsed is None:
                    self.bad += 1
                else:
                    found.append(parsed)
                    self.noise = 0
            self._piece.clear()
            self._grow(piece)
        return found

    def _grow(self, data: bytes) -> None:
        """Never more than can be a frame, whatever comes."""
        self._piece += data[:_MOST_BETWEEN_FLAGS + 1 - len(self._piece)]


@dataclass(eq=False)
class _Window:
    """Requests of a stream in their order. The first of them has the session's next unanswered sequence number."""

    items: deque[Request]
    flying: int = 0     # of the first ones, sent and not given up
    sent: int = 0       # of the first ones, sent at some time: the device may have executed them
    probing: bool = False   # after a silence one frame goes first, to see what the device has done
    doubled: bool = False   # a frame was sent again although the device may still have the first copy in its buffer
    error: RanvierError | None = None     # of a request that must not be sent; those before it are completed first


class Session:
    """Commands over ``port``, executed in order, each once.

    silence
        Seconds without a byte after which something is taken to be lost. It must be longer than the device's patience.
    rng
        Where session and sequence numbers are drawn from; by default the system's, so that no two programs draw the same.

    The session ends, with `TakenOver`, when another program says hello: what was acknowledged was executed.

    ``retries`` counts frames that were sent again, ``lost_replies`` those whose reply never came, ``bad_replies`` what was received and was
    not a good frame.
    """

    def __init__(self, port: Port, *, silence: float = 1.0, rng: random.Random | None = None) -> None:
        self.port = port
        self.buffer_bytes = _LEAST_BUFFER
        self.retries = 0
        self.lost_replies = 0
        self._frames = _Frames()
        self._replies: deque[Frame] = deque()
        self._rng = rng or random.SystemRandom()
        self._number = -1           # of the session
        self._identity: Identity | None = None     # of the device that the session is with
        self._reach: Mapping[str, Mapping[int, int]] = {}     # of its memories, as in `addresses_of`
        self._taken_over = False
        self._heard = False         # whether any byte has come
        self._base = 0              # sequence number of the first unanswered frame
        self.silence = silence

    @property
    def bad_replies(self) -> int:
        """Pieces between flags that were not good frames."""
        return self._frames.bad

    @property
    def silence(self) -> float:
        """Seconds without a byte after which something is taken to be lost."""
        return float(self.port.timeout or 0)

    @silence.setter
    def silence(self, seconds: float) -> None:
        self.port.timeout = seconds

    def pause(self, seconds: float) -> None:
        """Let time pass at the other end, where nothing should come."""
        silence, self.silence = self.silence, seconds
        self.port.read(1)
        self.silence = silence

    # Beginning

    def hello(self, attempts: int = 2, until: float | None = None) -> Identity:
        """Begin a session: every earlier one, also of another program, is over.

        Raises `NoAnswer`, where bytes come without end at `time.monotonic` ``until``; and `TakenOver` where the session that this one
        would follow has been: a program that was told so does not take the device back.
        """
        if self._taken_over:
            raise TakenOver
        self._heard, self._identity = False, None
        for _ in range(attempts):
            self.port.reset_input_buffer()
            self._frames.forget()
            self._replies.clear()
            self._number = _other(self._rng, 8 * SESSION_BYTES, self._number)
            sequence = self._base = self._rng.getrandbits(8)
            # Flags end whatever a program that died had begun to send.
            self._send(bytes([FLAG, FLAG]) + encode(frame(sequence, Command.HELLO, self._number)))
            for found in self._until_silence(until):
                if found[:3] == (sequence, Status.OK, self._number):
                    return self._welcome(sequence, found.payload)
            if self._heard and until is not None and time.monotonic() > until:
                break
        raise NoAnswer(self._heard, self.port.baudrate)

    def _welcome(self, sequence: int, payload: bytes) -> Identity:
        if len(payload) % 4 or len(payload) > 4 * IDENTITY_WORDS + 64:
            raise RanvierError(f"link: the identity has {len(payload)} bytes; check the port and the bitstream")
        identity = parse_identity([int(word) for word in np.frombuffer(payload, "<u4")])
        self.buffer_bytes = max(_LEAST_BUFFER, min(identity.buffer_bytes, 1 << 16))
        self._base = (sequence + 1) & 0xFF
        self._identity, self._reach = identity, addresses_of(identity.fabric, identity.record_depth)
        return identity

    # Commands

    def stream(self, requests: Iterable[Request], busy: Callable[[], None] | None = None) -> Iterator[Reply]:
        """Replies in the order of ``requests``, of which as many are on their way as the device can hold.

        Each is executed once; a read's reply that was lost, when later commands have been executed, has None as its words.
        ``busy`` is called when the device has refused a command as busy, which is then sent again; it may use the session.
        Use it to the end: nothing else may use the session before. Raises `RanvierError`, when those before it are done, for a request
        that reaches behind a memory or gives a register what it does not take: it is not sent.
        """
        source = iter(requests)
        window = _Window(deque())
        still = strays = 0    # silences and refusals, and replies to nothing, since the last step forward
        while True:
            self._fill(window, source)
            if not window.items:
                if window.error is not None:
                    raise window.error
                return
            if still >= _ATTEMPTS or strays > _MOST_STRAYS:
                raise RanvierError(f"link: {window.items[0]} got no good answer in {still or strays} attempts; check the cable, "
                                   "that the board was not reset, and that no other program uses the port")
            still += 1
            reply = self._reply()
            if reply is None:
                self._after_silence(window)
                continue
            place, status, payload = (reply.sequence - self._base) & 0xFF, reply.code, reply.payload
            if place >= window.sent or status == Status.SESSION:
                strays, still = strays + 1, still - 1    # to a frame that had been answered, or to another program on the same line
                continue
            if status == Status.OK:
                window.probing = False
                still = strays = 0
                yield from self._pass(window, place)
                yield self._done(window, payload)
            elif status not in (Status.SEQUENCE, Status.BUSY):
                self._refused(window, place, status)
            elif window.doubled:
                self._drain(window)
            elif status == Status.SEQUENCE:
                passed = self._after_disorder(window, payload)
                still = 0 if passed else still
                yield from passed
            else:
                still = 0 if place else still
                yield from self._pass(window, place)
                self._settle(window)
                window.flying, window.sent, window.probing = 0, 0, False
                if busy is not None:
                    still = 0
                    busy()

    def do(self, requests: Iterable[Request], busy: Callable[[], None] | None = None) -> list[Words]:
        """Words of every request. Reads are made again where their replies were lost, so they must be repeatable."""
        asked = list(requests)
        found: list[Words | None] = [reply.words for reply in self.stream(asked, busy)]
        for _ in range(_ATTEMPTS):
            missing = [n for n, words in enumerate(found) if words is None]
            if not missing:
                break
            for n, reply in zip(missing, self.stream([asked[n] for n in missing], busy), strict=True):
                found[n] = reply.words
        if any(words is None for words in found):
            raise RanvierError("link: replies keep getting lost; check the cable, or use a lower baud rate")
        return [words for words in found if words is not None]

    def read(self, address: int, words: int) -> Words:
        """Words from ``address`` on, as many as wanted."""
        asked = [read_request(address + first, min(MOST_READ, words - first)) for first in range(0, words, MOST_READ)]
        return np.concatenate([_NOTHING, *self.do(asked)])

    def write(self, address: int, *values: int) -> None:
        """Write words from ``address`` on."""
        self.do(write_requests(np.array([(address + n, value) for n, value in enumerate(values)], np.uint32)))

    # What a stream is made of

    def _fill(self, window: _Window, source: Iterator[Request]) -> None:
        """Send as much as the device has room for."""
        data = bytearray()
        held = sum(request.size for request, _ in zip(window.items, range(window.flying), strict=False))
        while window.flying < (1 if window.probing else _MOST_FRAMES):
            if window.flying == len(window.items):
                following = next(source, None)
                if following is not None and window.error is None:
                    window.error = self._forbids(following)
                if following is None or window.error is not None:
                    break
                window.items.append(following)
            request = window.items[window.flying]
            if window.flying and held + request.size > self.buffer_bytes:
                break
            data += encode(frame(self._base + window.flying & 0xFF, request.command, self._number, request.payload))
            held += request.size
            window.flying += 1
            window.sent = max(window.sent, window.flying)
        if data:
            self._send(bytes(data))

    def _forbids(self, request: Request) -> RanvierError | None:
        """What is wrong with a request before it is sent: the device would refuse it."""
        if self._identity is None or len(request.payload) < 4:
            return None
        fabric = self._identity.fabric
        unit, memory, offset = split_address(struct.unpack_from("<I", request.payload)[0])
        kinds = unit_kinds(fabric)
        reach = self._reach[kinds[unit]].get(memory, 0) if unit < len(kinds) else 0
        count = request.addresses(values_per_write(fabric))
        if offset + count > reach:
            there = f"that memory has {reach} addresses" if reach else "there is no such memory"
            return RanvierError(f"link: {request} takes {count} addresses; {there}")
        divisor = link_address(fabric, LinkMemory.REGISTERS, Register.DIVISOR)
        if (kinds[unit], memory) == ("link", LinkMemory.REGISTERS) and request.command == Command.WRITE:
            values = struct.unpack_from(f"<{count}I", request.payload, 4)
            for place, value in enumerate(values, struct.unpack_from("<I", request.payload)[0]):
                if place == divisor and not LEAST_DIVISOR <= value < 1 << DIVISOR_BITS:
                    return RanvierError(f"link: DIVISOR is {value}; a bit lasts {LEAST_DIVISOR} to {(1 << DIVISOR_BITS) - 1} clocks")
        return None

    def _pass(self, window: _Window, count: int) -> list[Reply]:
        """The first ``count`` requests were executed, but their replies were lost."""
        found = []
        for _ in range(count):
            request = window.items[0]
            self.lost_replies += 1
            found.append(Reply(request, None if request.words else _NOTHING))
            self._advance(window)
        return found

    def _done(self, window: _Window, payload: bytes) -> Reply:
        """The first request was answered."""
        request = window.items[0]
        if len(payload) != 4 * request.words:
            raise RanvierError(f"link: the reply to {request} has {len(payload)} bytes instead of {4 * request.words}; "
                               "the bitstream is of another version, or another program uses the port")
        self._advance(window)
        return Reply(request, np.frombuffer(payload, "<u4").astype(np.uint32) if request.words else _NOTHING)

    def _advance(self, window: _Window) -> None:
        window.items.popleft()
        window.flying = max(0, window.flying - 1)
        window.sent -= 1
        self._base = (self._base + 1) & 0xFF

    def _after_silence(self, window: _Window) -> None:
        """Ask again, one frame at a time."""
        self.retries += window.flying
        window.flying, window.probing, window.doubled = 0, True, True

    def _drain(self, window: _Window) -> None:
        """Refused, but which copy of it? Wait until the device has answered everything, then ask again."""
        for _ in self._until_silence():
            pass
        window.flying, window.probing, window.doubled = 0, True, False

    def _after_disorder(self, window: _Window, payload: bytes) -> list[Reply]:
        """A frame was lost on its way there, or replies were lost on their way back: go to where the device is."""
        for later in self._settle(window):
            if later.code == Status.SEQUENCE and (later.sequence - self._base) & 0xFF < window.sent:
                payload = later.payload
        if len(payload) != 2:
            raise RanvierError("link: a reply makes no sense; the bitstream is of another version")
        executed = (payload[0] - self._base) & 0xFF
        if executed > window.sent:
            raise RanvierError("link: a reply makes no sense; the bitstream is of another version")
        # The last one may be asked for again; what was read before it is lost.
        again = int(executed > 0 and window.items[executed - 1].words > 0)
        found = self._pass(window, executed - again)
        self.retries += window.flying
        window.flying, window.sent, window.probing = 0, again, False
        return found

    def _settle(self, window: _Window) -> list[Frame]:
        """Replies to everything that is on its way, so that none is taken for a reply to what will be sent next."""
        last = (self._base + window.flying - 1) & 0xFF
        found: list[Frame] = []
        if window.flying > 1:
            for reply in self._until_silence():
                found.append(reply)
                if reply.sequence == last and reply.code != Status.SESSION:
                    break
        return found

    def _refused(self, window: _Window, place: int, status: int) -> None:
        request = window.items[place]
        self._settle(window)
        what = {int(Status.COMMAND): "does not know this command", int(Status.ADDRESS): "has no such address",
                int(Status.VALUE): "does not take this value"}.get(
            status, f"answers with status {status}")
        raise RanvierError(f"link: {request}: the device {what}; the bitstream is of another version")

    # Bytes

    def _send(self, data: bytes) -> None:
        self.port.write(data)

    def _until_silence(self, until: float | None = None) -> Iterator[Frame]:
        """Replies as they come, until none comes any more, or too many, or `time.monotonic` is ``until``."""
        for _ in range(_MOST_STRAYS):
            reply = self._reply(until)
            if reply is None:
                return
            yield reply

    def _reply(self, until: float | None = None) -> Frame | None:
        """The next good frame, or None after a silence, or after too much that is no frame.

        Replies come in the order of their frames, so a reply of another session that comes in this one is of a later one.
        """
        while not self._replies:
            if until is not None and time.monotonic() > until:
                return None
            data = self.port.read(max(1, self.port.in_waiting))
            if not data:
                return None
            self._heard = True
            self._replies.extend(self._frames.feed(data))
            if self._frames.noise > _MOST_NOISE:
                self._frames.noise = 0
                return None
        found = self._replies.popleft()
        if self._identity is not None and found.code == Status.SEQUENCE and len(found.payload) == 2 and not found.payload[1]:
            raise RanvierError("link: the device was reset and has forgotten the session; load the network again")
        if self._identity is not None and found.session != self._number:
            self._taken_over = True
            raise TakenOver
        return found

    @property
    def taken_over(self) -> bool:
        """Whether another program has the device now: nothing more should be sent."""
        return self._taken_over


def _other(rng: random.Random, bits: int, number: int) -> int:
    """A random number that is not ``number``."""
    while (found := rng.getrandbits(bits)) == number:
        pass
    return found
