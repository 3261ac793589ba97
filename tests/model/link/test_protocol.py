"""Frames and identities: what one end writes the other reads, and nothing else passes."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import DeviceConfig, LinkConfig
from ranvier.model.fabric.layout import MEMORY_BITS, OFFSET_BITS, UNIT_BITS
from ranvier.model.link.identity import IDENTITY_WORDS, identity_fields, identity_words, parse_identity
from ranvier.model.link.protocol import (
    ESCAPE,
    FLAG,
    MOST_PAYLOAD,
    Command,
    encode,
    frame,
    link_unit,
    record_chunks,
    unescape,
    values_per_write,
)
from ranvier.rtl.link.crc import CRC

SMALL = FabricConfig(cores=3, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=16, rounding="zero")
awkward = st.lists(st.sampled_from([FLAG, ESCAPE, 0x5E, 0x5D, 0, 255]), max_size=60).map(bytes) | st.binary(max_size=MOST_PAYLOAD)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, (1 << 24) - 1), awkward)
def test_a_frame_comes_back(sequence: int, code: int, session: int, payload: bytes) -> None:
    sent = encode(frame(sequence, code, session, payload))
    assert sent[0] == sent[-1] == FLAG
    assert FLAG not in sent[1:-1]
    assert unescape(sent[1:-1]) == (sequence, code, session, payload)


@given(awkward, st.data())
def test_a_changed_byte_is_noticed(payload: bytes, data: st.DataObject) -> None:
    inside = bytearray(encode(frame(1, Command.WRITE, 0x7E7D00, payload))[1:-1])
    at = data.draw(st.integers(0, len(inside) - 1))
    inside[at] ^= data.draw(st.integers(1, 255))
    assert unescape(bytes(inside)) is None


@given(st.binary(max_size=700))
def test_noise_is_not_a_frame(noise: bytes) -> None:
    assert unescape(noise) is None


def test_too_long_a_payload() -> None:
    with pytest.raises(RanvierError, match="at most 500"):
        frame(0, Command.WRITE, 0, bytes(MOST_PAYLOAD + 1))


@given(st.binary(max_size=40))
def test_the_hardware_s_crc_is_zlib_s(data: bytes) -> None:
    assert CRC(data_width=8).compute(data) == zlib.crc32(data)


@pytest.mark.parametrize("fabric", [FabricConfig(), SMALL])
def test_an_identity_comes_back(fabric: FabricConfig) -> None:
    config = DeviceConfig(fabric, LinkConfig(4096, 64), clock_hz=36_000_000, board="sixteen letters.")
    words = identity_words(config)
    assert len(words) == IDENTITY_WORDS == len(identity_fields())
    assert all(0 <= word < 1 << 32 for word in words)
    found = parse_identity(words)
    assert (found.fabric, found.digest, found.board) == (fabric, fabric.digest, config.board)
    assert (found.clock_hz, found.divisor, found.buffer_bytes, found.record_depth) == (36_000_000, 36, 4096, 64)


@pytest.mark.parametrize(("change", "says"), [
    ({0: 1}, "not a Ranvier device"), ({1: 99}, "protocol 99"), ({2: 5}, "configuration hash"),
    ({identity_fields().index("queue_depth"): 0}, "queue_depth"),
    ({identity_fields().index("rounding"): 7}, "rounding")])
def test_a_wrong_identity(change: dict[int, int], says: str) -> None:
    words = identity_words(DeviceConfig(SMALL))
    for place, value in change.items():
        words[place] = value
    with pytest.raises(RanvierError, match=says):
        parse_identity(words)


def test_a_short_identity() -> None:
    with pytest.raises(RanvierError, match="words instead of"):
        parse_identity(identity_words(DeviceConfig(SMALL))[:-1])


@pytest.mark.parametrize(("fields", "says"), [
    ({"board": ""}, "board"), ({"board": "a name that is too long"}, "board"), ({"board": "µ"}, "board"),
    ({"clock_hz": 100_000_000, "baud": 9600}, "a bit must last"), ({"clock_hz": 5}, "clock_hz"),
    ({"link": "x"}, "link")])
def test_a_wrong_device(fields: dict[str, object], says: str) -> None:
    value = DeviceConfig(SMALL).to_json()
    assert DeviceConfig.from_json(value) == DeviceConfig(SMALL)
    with pytest.raises(RanvierError, match=says):
        DeviceConfig.from_json({**value, **fields})


def test_link_config_powers_of_two() -> None:
    with pytest.raises(RanvierError, match="power of two"):
        LinkConfig(buffer_bytes=1500)


def test_units_and_chunks() -> None:
    assert link_unit(SMALL) == 5
    largest = FabricConfig(cores=16, word_bits=256, core=CoreConfig(sweep_lanes=1), input=InputConfig(sweep_lanes=1))
    assert link_unit(largest) < 1 << UNIT_BITS
    assert OFFSET_BITS + MEMORY_BITS + UNIT_BITS == 32, "an address is one word of the link"
    assert record_chunks(SMALL) == 2
    assert record_chunks(FabricConfig()) == 4
    assert (values_per_write(SMALL), values_per_write(FabricConfig())) == (2, 4)
