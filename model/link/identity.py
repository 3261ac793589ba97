"""What a device says of itself: its identity, as words on the link."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import RanvierError
from ..fabric.config import CoreConfig, FabricConfig, InputConfig
from ..fabric.device_config import BOARD_NAME_BYTES, DeviceConfig
from ..fixed import ROUNDING
from ..neurons.registry import DEFAULT_FAMILY
from .protocol import MAGIC, PROTOCOL

__all__ = ["IDENTITY_WORDS", "Identity", "identity_fields", "identity_words", "parse_identity"]

@dataclass(frozen=True)
class Identity:
    """What a device says of itself."""

    protocol: int
    digest: str
    clock_hz: int
    divisor: int
    buffer_bytes: int
    record_depth: int
    board: str
    fabric: FabricConfig


_PARTS: tuple[tuple[str, type], ...] = (("core", CoreConfig), ("input", InputConfig), ("", FabricConfig))


# Only other families than the one that it knows can be `random`.
_FABRIC_FIELDS = tuple((part, f.name) for part, kind in _PARTS for f in fields(kind)
                       if f.name not in ("core", "input", "neurons", "random"))


_FIXED = ("magic", "protocol", "digest_low", "digest_high", "clock_hz", "divisor", "buffer_bytes", "record_depth")


#: Words of an identity: the fixed ones, the board's name, and every field of the fabric's configuration.
IDENTITY_WORDS = len(_FIXED) + BOARD_NAME_BYTES // 4 + len(_FABRIC_FIELDS)


def identity_fields() -> list[str]:
    """Names of the words of an identity, in order."""
    names = [*_FIXED, *(f"board_{n}" for n in range(BOARD_NAME_BYTES // 4))]
    return names + [f"{part}.{name}" if part else name for part, name in _FABRIC_FIELDS]


def identity_words(config: DeviceConfig) -> list[int]:
    """The identity of a device, 32 bits a word. Raises `RanvierError` for neurons that it has no word for."""
    if config.fabric.neurons != DEFAULT_FAMILY:
        raise RanvierError(f"device: the fabric's neurons are {config.fabric.neurons}; a device's identity knows {DEFAULT_FAMILY} only")
    digest = int(config.fabric.digest, 16)
    name = config.board.encode("ascii").ljust(BOARD_NAME_BYTES, b"\0")
    values: list[Any] = [getattr(getattr(config.fabric, part) if part else config.fabric, field) for part, field in _FABRIC_FIELDS]
    return [MAGIC, PROTOCOL, digest & 0xFFFFFFFF, digest >> 32, config.clock_hz, config.divisor, config.link.buffer_bytes,
            config.link.record_depth, *struct.unpack(f"<{BOARD_NAME_BYTES // 4}I", name),
            *(list(ROUNDING).index(value) if isinstance(value, str) else value for value in values)]


def parse_identity(words: Sequence[int]) -> Identity:
    """The identity from its words. Raises `RanvierError` where they are not one, or of another protocol version."""
    if len(words) < 2 or words[0] != MAGIC:
        raise RanvierError("link: what answers is not a Ranvier device; check the port and the bitstream")
    if words[1] != PROTOCOL:
        raise RanvierError(f"link: the device speaks protocol {words[1]}, this host {PROTOCOL}; build the bitstream with this version")
    if len(words) != IDENTITY_WORDS:
        raise RanvierError(f"link: the identity has {len(words)} words instead of {IDENTITY_WORDS}; build the bitstream with this version")
    name_end = len(_FIXED) + BOARD_NAME_BYTES // 4
    raw = struct.pack(f"<{BOARD_NAME_BYTES // 4}I", *words[len(_FIXED):name_end]).rstrip(b"\0")
    values: dict[str, dict[str, Any]] = {"core": {}, "input": {}, "": {}}
    for (part, name), word in zip(_FABRIC_FIELDS, words[name_end:], strict=True):
        value: Any = int(word)
        if name == "rounding":
            if value >= len(ROUNDING):
                raise RanvierError(f"link: the identity's rounding is {value}; it must be below {len(ROUNDING)}")
            value = list(ROUNDING)[value]
        values[part][name] = value
    fabric = FabricConfig.from_json({**values[""], "core": values["core"], "input": values["input"]})
    digest = f"{words[3] << 32 | words[2]:012x}"
    if digest != fabric.digest:
        raise RanvierError(f"link: the device's configuration hash is {digest}, its fields give {fabric.digest}; "
                           "build the bitstream with this version")
    clock_hz, divisor, buffer_bytes, record_depth = (int(word) for word in words[4:len(_FIXED)])
    return Identity(PROTOCOL, digest, clock_hz, divisor, buffer_bytes, record_depth, raw.decode("ascii", "replace"), fabric)
