"""The session: frames lost on either way, repeats, going back, refusals, and what is not a device."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ranvier.device.rate import divisor_for, raise_rate
from ranvier.device.session import NoAnswer, Reply, Request, Session, TakenOver, read_request, write_requests
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import DeviceConfig, LinkConfig
from ranvier.model.fabric.image import address
from ranvier.model.fabric.layout import Memory
from ranvier.model.link.addresses import addresses_of, unit_kinds
from ranvier.model.link.identity import Identity, identity_words
from ranvier.model.link.protocol import FLAG, Command, Frame, LinkMemory, Register, Status, encode, frame, link_address, unescape
from ranvier.model.link.reference import LinkModel

CONFIG = DeviceConfig(FabricConfig(cores=2, core=CoreConfig(lanes=4, sweep_lanes=4, weight_depth=8192)),
                      LinkConfig(buffer_bytes=1024, record_depth=64))
WEIGHTS = address(0, Memory.WEIGHTS, 0)


def opened(**rules: Any) -> tuple[Session, LinkModel]:
    """A session on a device whose later frames and replies follow ``rules``, numbered from the first after the hello."""
    shifted: dict[str, Any] = {name: _after_hello(rule) if name.startswith("lose") else rule for name, rule in rules.items()}
    model = LinkModel(CONFIG, **shifted)
    session = Session(model)
    session.hello()
    return session, model


def _after_hello(rule: Callable[[int], bool]) -> Callable[[int], bool]:
    return lambda number: number > 0 and rule(number - 1)


def some_writes(count: int, words: int = 3) -> np.ndarray:
    """``count`` pieces with a gap between them, so that each is a frame."""
    return np.array([(WEIGHTS + 8 * n + w, 1000 * n + w) for n in range(count) for w in range(words)], np.uint32)


def executed_once(model: LinkModel, writes: np.ndarray) -> bool:
    """Whether every write frame was executed, once, in its order."""
    done = [where for command, where in model.executed if command == Command.WRITE]
    return done == [int(where) for where in writes[::3, 0]]


def test_hello_gives_the_identity() -> None:
    model = LinkModel(CONFIG)
    identity = Session(model).hello()
    assert (identity.fabric, identity.board, identity.buffer_bytes) == (CONFIG.fabric, "simulation", 1024)


def test_writes_and_reads() -> None:
    session, _ = opened()
    writes = some_writes(50)
    session.do(write_requests(writes))
    found = session.do([read_request(int(where), 3) for where in writes[::3, 0]])
    np.testing.assert_array_equal(np.concatenate(found), writes[:, 1])
    np.testing.assert_array_equal(session.read(WEIGHTS, 400)[:3], writes[:3, 1])


def test_many_frames_are_on_their_way_and_never_too_many() -> None:
    session, model = opened()
    session.do(write_requests(some_writes(600)))
    assert 900 < model.most_held <= 1024 and model.memory.get(link_address(CONFIG.fabric, LinkMemory.REGISTERS, Register.OVERRUNS), 0) == 0
    session, model = opened()
    requests = [read_request(WEIGHTS, 1)] * 600
    session.buffer_bytes = 1 << 15
    model._config = CONFIG.replace(link=LinkConfig(buffer_bytes=1 << 15))
    session.do(requests)
    assert model.most_held <= 120 * 17      # the sequence numbers are the limit


@pytest.mark.parametrize("lost", [{0}, {5}, {19}, {0, 1, 2}, {5, 6, 20}, {3, 30, 31, 33}])
def test_a_lost_frame_is_sent_again_and_nothing_is_executed_twice(lost: set[int]) -> None:
    session, model = opened(lose_frame=lambda n: n in lost)
    writes = some_writes(20)
    session.do(write_requests(writes))
    assert executed_once(model, writes) and session.retries > 0


@pytest.mark.parametrize("lost", [{0}, {5}, {19}, {18, 19}, {0, 1, 2}, {17, 19, 20}])
def test_a_lost_reply_to_a_write(lost: set[int]) -> None:
    """The write is acknowledged again, not executed again."""
    session, model = opened(lose_reply=lambda n: n in lost)
    writes = some_writes(20)
    session.do(write_requests(writes))
    assert executed_once(model, writes) and session.lost_replies + len(model.stale) > 0


@pytest.mark.parametrize("lost", [{0}, {5}, {19}, {18, 19}, {17, 18, 19, 20}])
def test_a_lost_reply_to_a_read(lost: set[int]) -> None:
    """A stream says so, except for the last one, which can be asked for again; `do` reads again."""
    expected = list(range(100, 120))
    for use_stream in (True, False):
        session, model = opened(lose_reply=lambda n: n in lost)
        model.memory.update({WEIGHTS + n: value for n, value in enumerate(expected)})
        requests = [read_request(WEIGHTS + n, 1) for n in range(20)]
        if use_stream:
            replies = list(session.stream(requests))
            assert [reply.request for reply in replies] == requests
            found = [None if reply.words is None else int(reply.words[0]) for reply in replies]
            assert all(got in (None, want) for got, want in zip(found, expected, strict=True)) and found[-1] == expected[-1]
            assert (None in found) == bool(lost - {19})
        else:
            assert [int(words[0]) for words in session.do(requests)] == expected


@pytest.mark.parametrize("seed", range(20))
def test_random_losses_on_both_ways(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, replies = set(np.flatnonzero(rng.random(3000) < 0.1)), set(np.flatnonzero(rng.random(3000) < 0.1))
    session, model = opened(lose_frame=lambda n: n in frames, lose_reply=lambda n: n in replies)
    writes = some_writes(150)
    session.do(write_requests(writes))
    found = session.do([read_request(int(where), 3) for where in writes[::3, 0]])
    np.testing.assert_array_equal(np.concatenate(found), writes[:, 1], f"seed {seed}")
    assert executed_once(model, writes), f"seed {seed}"


def test_a_busy_device_is_asked_again_and_the_order_stays() -> None:
    refusals = iter([None, None, Status.BUSY, Status.BUSY, None, Status.BUSY])
    session, model = opened(refuse=lambda command, where: next(refusals, None) if command == Command.WRITE else None)
    writes = some_writes(20)
    called: list[int] = []
    def busy() -> None:
        called.append(len(model.executed))
        session.read(WEIGHTS, 1)            # another command in between
    replies = list(session.stream(write_requests(writes), busy))
    assert len(replies) == 20 and all(isinstance(reply, Reply) for reply in replies)
    assert executed_once(model, writes) and len(called) == 3


def test_a_device_that_stays_busy_ends_in_an_error() -> None:
    session, _ = opened(refuse=lambda command, where: Status.BUSY)
    with pytest.raises(RanvierError, match="WRITE of unit 0, memory 2, offset 0 got no good answer in 6 attempts"):
        session.write(WEIGHTS, 1)


@pytest.mark.parametrize(("status", "words"), [(Status.COMMAND, "does not know this command"), (Status.ADDRESS, "has no such address")])
def test_refused_commands(status: Status, words: str) -> None:
    session, _ = opened(refuse=lambda command, where: status)
    with pytest.raises(RanvierError, match=words):
        session.read(WEIGHTS, 1)


def test_a_device_that_was_reset_has_forgotten_the_session() -> None:
    session, model = opened()
    model.reset()
    with pytest.raises(RanvierError, match="was reset and has forgotten the session; load the network again"):
        session.read(WEIGHTS, 1)


def test_another_program_on_the_same_port() -> None:
    session, model = opened()
    other = Session(model)
    other.hello()
    for _ in range(2):
        with pytest.raises(TakenOver, match="another program has taken this device over since.*close that one, then open the device again"):
            session.write(WEIGHTS, 1)
    with pytest.raises(TakenOver):
        session.hello()                 # it does not take the device back
    other.write(WEIGHTS, 2)
    assert [where for command, where in model.executed if command == Command.WRITE] == [WEIGHTS] and model.stale == []


def test_a_cable_that_is_pulled() -> None:
    session, _ = opened(lose_reply=lambda n: n > 3)
    with pytest.raises(RanvierError, match="no good answer in 6 attempts; check the cable"):
        session.do([read_request(WEIGHTS, 1)] * 10)


class Scripted:
    """A port at whose other end is something else: it answers every write with the same bytes."""

    def __init__(self, answer: bytes = b"", endless: bool = False) -> None:
        self.timeout: float | None = None
        self.baudrate = 1_000_000
        self._answer, self._endless, self._left = answer, endless, b""

    @property
    def in_waiting(self) -> int:
        return len(self._left)

    def write(self, data: bytes, /) -> int:
        self._left = self._answer
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        found, self._left = self._left[:size], self._answer if self._endless else self._left[size:]
        return found

    def reset_input_buffer(self) -> None:
        self._left = b""

    def send_break(self, duration: float = 0.25) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("answer", "endless", "heard"), [
    (b"", False, False), (b"login: ", False, True), (bytes([FLAG]) * 9, True, True), (b"\x00\xff" * 40, True, True),
    (encode(frame(64, 9, 5, b"x")), True, True), (encode(frame(0, 0, 5, b"")), True, True),
], ids=["silence", "console", "flags", "noise", "refusals", "strays"])
def test_something_else_at_the_port(answer: bytes, endless: bool, heard: bool) -> None:
    """Silence, a console, noise without end, and frames that answer nothing."""
    with pytest.raises(NoAnswer) as caught:
        Session(Scripted(answer, endless)).hello()
    assert caught.value.heard == heard


class Identified(Scripted):
    """It answers every hello, whatever its numbers, with ``words`` as its identity."""

    def __init__(self, words: list[int]) -> None:
        super().__init__()
        self._words = words

    def write(self, data: bytes, /) -> int:
        asked = unescape(data.strip(bytes([FLAG])))
        assert asked is not None and asked.code == Command.HELLO
        self._answer = encode(frame(asked.sequence, Status.OK, asked.session, np.array(self._words, "<u4").tobytes()))
        return super().write(data)


@pytest.mark.parametrize(("change", "message"), [
    (lambda words: [1, *words[1:]], "not a Ranvier device"),
    (lambda words: [words[0], 9, *words[2:]], "speaks protocol 9"),
    (lambda words: words[:-1], "words instead of"),
    (lambda words: [*words, *range(40)], "bytes; check the port"),
    (lambda words: [*words[:2], words[2] ^ 1, *words[3:]], "configuration hash"),
    (lambda words: [*words[:-8], 99, *words[-7:]], "must be"),
    (lambda words: [], "not a Ranvier device"),
])
def test_identities_that_are_none(change: Callable[[list[int]], list[int]], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        Session(Identified(change(identity_words(CONFIG)))).hello()


def test_a_reply_of_the_wrong_length() -> None:
    session, model = opened()
    model._answer = lambda found: (Status.OK, b"123")     # type: ignore[method-assign]
    with pytest.raises(RanvierError, match="has 3 bytes instead of 4"):
        session.read(WEIGHTS, 1)


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_end_in_an_error_and_soon(seed: int) -> None:
    """Whatever the other end says: one `RanvierError`, no other exception, no endless loop."""
    rng = np.random.default_rng(seed)
    session, model = opened()
    def answer(found: Frame) -> tuple[int, bytes]:
        return int(rng.choice([0, 1, 2, 3, 4, 5, 6, 77])), rng.bytes(int(rng.integers(0, 12)))
    model._answer = answer     # type: ignore[assignment, method-assign]
    try:
        session.do([read_request(WEIGHTS, 1)] * 50)
    except RanvierError as error:
        assert "\n" not in str(error)


# What a memory does not have


OTHER = DeviceConfig(FabricConfig(cores=3, word_bits=16, spike_depth=90,
                                  core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=33, row_depth=7, weight_depth=100, state_depth=17,
                                                  drive_depth=9, dynamics_depth=5, readout_depth=4),
                                  input=InputConfig(sweep_lanes=2, row_depth=5, state_depth=19, drive_depth=6, dynamics_depth=3)),
                     LinkConfig(buffer_bytes=1024, record_depth=32))


@pytest.mark.parametrize("config", [CONFIG, OTHER], ids=["powers of two", "other depths"])
def test_neither_driver_nor_device_reach_behind_a_memory(config: DeviceConfig) -> None:
    """Every memory of every unit: its last word is had; the one behind it is refused by the driver, without a byte on the line, and by a
    device that is asked all the same.
    """
    model = LinkModel(config)
    session = Session(model)
    session.hello()
    reaches, kinds = addresses_of(config.fabric, config.link.record_depth), unit_kinds(config.fabric)
    for unit, kind in enumerate([*kinds, "none"]):
        for memory in range(16):
            reach = reaches.get(kind, {}).get(memory, 0)
            end = address(unit, memory, reach)
            if reach:
                session.read(end - 1, 1)
                if kind != "link":
                    session.write(end - 1, 7)
            done, before = len(model.executed), dict(model.memory)
            for request in (read_request(end, 1), read_request(end - bool(reach), 3), *write_requests(np.array([(end, 9)], np.uint32)),
                            Request(Command.WRITE_8, struct.pack("<I", end) + bytes(4))):
                with pytest.raises(RanvierError, match=f"that memory has {reach} addresses" if reach else "there is no such memory"):
                    session.do([request])
                assert model.execute(Frame(model.due, request.command, model.session, request.payload))[1] == Status.ADDRESS
            assert (len(model.executed), model.memory) == (done, before)


def test_what_comes_before_a_forbidden_request_is_done() -> None:
    session, model = opened()
    good, bad = read_request(WEIGHTS, 1), read_request(address(0, Memory.WEIGHTS, 8191), 2)
    replies = session.stream([good, good, bad, good])
    assert [next(replies).request for _ in range(2)] == [good, good]
    with pytest.raises(RanvierError, match="READ of unit 0, memory 2, offset 8191 takes 2 addresses; that memory has 8192 addresses"):
        next(replies)
    assert len(model.executed) == 2
    assert session.do([good])[0].tolist() == [0]


def test_a_divisor_that_no_line_can_have() -> None:
    session, model = opened()
    where = link_address(CONFIG.fabric, LinkMemory.REGISTERS, Register.DIVISOR)
    for value in (0, 3, 4096, 1 << 31):
        with pytest.raises(RanvierError, match=f"DIVISOR is {value}; a bit lasts 4 to 4095 clocks"):
            session.write(where, value)
        asked = Frame(model.due, Command.WRITE, model.session, struct.pack("<II", where, value))
        assert model.execute(asked)[1] == Status.VALUE and model.memory[where] == CONFIG.divisor
    session.write(where, 4)
    assert model.memory[where] == 4


def test_sessions_begin_anywhere() -> None:
    """Sequence and session numbers are drawn, from a generator that a test may seed."""
    begun = set()
    for seed in range(20):
        numbers = []
        for _ in range(2):
            model = LinkModel(CONFIG)
            session = Session(model, rng=random.Random(seed))
            session.hello()
            first = (model.due, model.session)
            session.hello()
            assert model.session != first[1]
            numbers.append(first)
        assert numbers[0] == numbers[1]
        begun.add(numbers[0])
    assert len(begun) == 20
    assert len({due for due, _ in begun}) > 10
    model = LinkModel(CONFIG)
    assert len({(Session(model).hello(), model.session)[1] for _ in range(20)}) == 20


# The rate


@pytest.mark.parametrize(("clock", "rate", "divisor"), [
    (100_000_000, 3_000_000, 33), (100_000_000, 2_000_000, 50), (12_000_000, 3_000_000, 4), (25_000_000, 3_000_000, None),
    (25_000_000, 2_000_000, None), (25_000_000, 1_000_000, 25), (12_000_000, 12_000_000, None), (48_000_000, 0, None),
])
def test_divisors(clock: int, rate: int, divisor: int | None) -> None:
    assert divisor_for(clock, rate) == divisor


def rated(config: DeviceConfig, deaf: set[int] = frozenset()) -> tuple[Session, LinkModel, Identity]:  # type: ignore[assignment]
    """A device that hears only what is sent at its rate, and a host that cannot do those in ``deaf``."""
    model = LinkModel(config)
    take = model._take
    def hear(piece: bytes) -> None:
        divisor = model.memory[link_address(config.fabric, LinkMemory.REGISTERS, Register.DIVISOR)]
        if abs(config.clock_hz / divisor / model.baudrate - 1) < 0.02 and model.baudrate not in deaf:
            take(piece)
    model._take = hear     # type: ignore[method-assign]
    session = Session(model)
    return session, model, session.hello()


def test_the_rate_is_raised_to_the_highest_that_works() -> None:
    for deaf, expected in (((), 3_000_000), ((3_000_000,), 2_000_000), ((3_000_000, 2_000_000), 1_500_000),
                           ((3_000_000, 2_000_000, 1_500_000), 1_000_000)):
        session, model, identity = rated(CONFIG, set(deaf))
        raise_rate(session, identity, None)
        assert model.baudrate == expected and model.breaks == len(deaf)
        session.write(WEIGHTS, 5)
        assert session.read(WEIGHTS, 1)[0] == 5


def test_slow_boards_stay_at_their_rate() -> None:
    session, model, identity = rated(CONFIG.replace(baud=115_200))
    raise_rate(session, identity, None)
    assert model.breaks == 0 and round(model.baudrate / 115_200, 2) == 1


def test_a_device_that_does_not_come_back() -> None:
    session, model, identity = rated(CONFIG, {3_000_000})
    model.send_break = lambda duration=0.25: None     # type: ignore[method-assign]
    with pytest.raises(RanvierError, match="3000000 baud did not work.*press its reset button, and open it with baud=1000000"):
        raise_rate(session, identity, None)


def test_a_rate_that_was_asked_for() -> None:
    session, model, identity = rated(CONFIG)
    raise_rate(session, identity, 500_000)
    assert model.baudrate == 500_000
    session, model, identity = rated(CONFIG.replace(clock_hz=25_000_000))
    with pytest.raises(RanvierError, match="cannot do 3000000 baud with its clock of 25000000 Hz"):
        raise_rate(session, identity, 3_000_000)
    session, model, identity = rated(CONFIG, {2_000_000})
    with pytest.raises(RanvierError, match="no answer at 2000000 baud; use a lower rate"):
        raise_rate(session, identity, 2_000_000)
