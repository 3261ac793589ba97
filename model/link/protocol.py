"""The protocol between host and device: frames, commands, registers. Driver, RTL and docs/link.md are made from this."""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from ..errors import RanvierError
from ..fabric.config import FabricConfig
from ..fabric.image import address
from ..fabric.layout import CHUNK_BITS

__all__ = [
    "BREAK_BITS", "CRC_BYTES", "ESCAPE", "ESCAPE_XOR", "FLAG", "HEADER_BYTES", "MAGIC", "MOST_PAYLOAD", "MOST_READ",
    "MOST_WRITE", "PROTOCOL", "SESSION_BYTES", "Command", "Frame", "LinkMemory", "Register", "Status", "encode", "frame", "link_address",
    "link_unit", "record_chunks", "unescape", "values_per_write",
]

#: First word of an identity: the bytes ``RNVR``.
MAGIC = int.from_bytes(b"RNVR", "little")
#: Version of everything in this file.
PROTOCOL = 2
#: Ends a frame, and begins the next: between two flags lies a frame or nothing.
FLAG = 0x7E
#: The byte after it is exclusive-ored with `ESCAPE_XOR`; so are sent `FLAG` and `ESCAPE` themselves.
ESCAPE = 0x7D
ESCAPE_XOR = 0x20
#: Width of a session's number. With the sequence number it makes 32 bits that the next program's frames do not share.
SESSION_BYTES = 3
#: Sequence number, command or status, session, length of the payload (16 bits, low byte first).
HEADER_BYTES = 4 + SESSION_BYTES
#: CRC-32 (ISO-HDLC, as in zlib) of header and payload, low byte first.
CRC_BYTES = 4
#: Longest payload of a command or a reply: an address and 124 words fit into 512 bytes with header and CRC.
MOST_PAYLOAD = 500
#: Words that one read can ask for, and that one write can carry.
MOST_READ = MOST_PAYLOAD // 4
MOST_WRITE = (MOST_PAYLOAD - 4) // 4
#: A line that is low for so many bit times is a break: the link returns to its first rate.
BREAK_BITS = 20


class Command(IntEnum):
    """What the host asks. Numbers are little-endian; an address is 32 bits: offset, memory and unit as in the memory map."""

    HELLO = 1      #: begins the frame's session, ends every other: no payload; the reply is the identity; this number plus 1 is due next
    READ = 2       #: address, number of words (16 bits, 1 to `MOST_READ`); the reply is the words from there on
    WRITE = 3      #: address, words of 32 bits, written from there on
    WRITE_8 = 4    #: address, values of 8 bits for the input memory: each address takes as many as `values_per_write`
    WRITE_4 = 5    #: the same from values of 4 bits, low half of a byte first, each written as 17 times itself (0 to 255)
    WRITE_1 = 6    #: the same from single bits, lowest first, each written as 0 or 1: spikes from the host


class Status(IntEnum):
    """Second byte of a reply. Only `OK` means that the command was executed, and only `OK` moves the sequence number on."""

    OK = 0         #: done
    SEQUENCE = 1   #: not the number that is due; payload: the number that is due, and 1 if a session is open (else say hello)
    BUSY = 2       #: the fabric runs, or waits for the host, and the command cannot be done meanwhile
    COMMAND = 3    #: no such command, or a payload that is too short, too long, or (WRITE) not whole words
    ADDRESS = 4    #: no such unit or memory, or the address lies behind the memory's last word
    SESSION = 5    #: the frame is of another session than the one that is open: another host has said hello since
    VALUE = 6      #: the register does not take this value


class LinkMemory(IntEnum):
    """Memories of the link, the unit after the ticker."""

    REGISTERS = 0  #: registers, see `Register`
    RECORD = 1     #: spike words that the recorder keeps, as a ring
    IDENTITY = 2   #: what `Command.HELLO` answers


class Register(IntEnum):
    """Registers of the link. They can be used while the fabric runs."""

    BAD_FRAMES = 0   #: read: frames dropped because of their CRC, length, escape or a broken byte (8 bits, wraps)
    OVERRUNS = 1     #: read: frames dropped because the buffer was full (8 bits, wraps)
    DIVISOR = 2      #: clocks of a bit, 4 to 4095; others are refused; a write takes effect when its reply has been sent
    RESET = 3        #: write: the fabric and the recorder stop and begin anew; memories keep what they hold
    RECORD_HEAD = 4  #: read: spike words recorded since the run began, modulo twice the record's depth
    RECORD_TAIL = 5  #: write: spike words that the host has taken, counted like `RECORD_HEAD`
    RECORD_FIRST = 6  #: write: lowest spike buffer address to record
    RECORD_STOP = 7  #: write: recording takes addresses below this one; 0 records nothing
    RECORD_LOST = 8  #: read: spike words that found the record full since the run began (8 bits, stays at its largest value)
    STATE = 9         #: read: bit 0 the fabric runs, bit 1 it waits for the host, bit 2 a bank of input values is free


def link_unit(config: FabricConfig) -> int:
    """Unit number of the link on the configuration port."""
    return config.nodes + 1


def link_address(config: FabricConfig, memory: LinkMemory, offset: int) -> int:
    """Configuration address of a word of the link."""
    return address(link_unit(config), memory, offset)


def values_per_write(config: FabricConfig) -> int:
    """Values that `Command.WRITE_8`, `WRITE_4` and `WRITE_1` put at each address of the input memory: as many as a chunk holds.

    A last value that does not fill an address is not written: pad. The commands are for fabrics with ``input_bits`` 8.
    """
    return min(CHUNK_BITS // 8, config.input.sweep_lanes)


def record_chunks(config: FabricConfig) -> int:
    """Words of a record entry, rounded up to a power of two: first tick << 16 | address, then the spike word's bits.

    The tick counts from 1 at a run's first tick, 16 bits. A word may arrive when the next tick has begun: its lowest address bit,
    which is the lowest bit of its own tick, tells.
    """
    chunks = 1 + -(-config.word_bits // CHUNK_BITS)
    return 1 << (chunks - 1).bit_length()


class Frame(NamedTuple):
    """What stands between two flags: a command, or the reply to one. ``session`` is below ``256**SESSION_BYTES``."""

    sequence: int
    code: int
    session: int
    payload: bytes


def frame(sequence: int, code: int, session: int, payload: bytes = b"") -> bytes:
    """A command or reply before escaping: header, payload, CRC."""
    if len(payload) > MOST_PAYLOAD:
        raise RanvierError(f"link: a payload has {len(payload)} bytes; at most {MOST_PAYLOAD} fit")
    body = bytes([sequence, code]) + session.to_bytes(SESSION_BYTES, "little") + struct.pack("<H", len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def encode(body: bytes) -> bytes:
    """What goes over the line: ``body`` escaped, between flags."""
    escaped = body.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ ESCAPE_XOR])).replace(bytes([FLAG]), bytes([ESCAPE, FLAG ^ ESCAPE_XOR]))
    return bytes([FLAG]) + escaped + bytes([FLAG])


def unescape(found: bytes) -> Frame | None:
    """The frame that stood between two flags; None if that is not a good one."""
    body = bytearray()
    pieces = iter(found)
    for byte in pieces:
        if byte == ESCAPE:
            following = next(pieces, None)
            if following is None:
                return None
            byte = following ^ ESCAPE_XOR
        body.append(byte)
    if not HEADER_BYTES + CRC_BYTES <= len(body) <= HEADER_BYTES + MOST_PAYLOAD + CRC_BYTES:
        return None
    session = int.from_bytes(body[2:2 + SESSION_BYTES], "little")
    (length,) = struct.unpack_from("<H", body, 2 + SESSION_BYTES)
    (crc,) = struct.unpack_from("<I", body, len(body) - CRC_BYTES)
    if length != len(body) - HEADER_BYTES - CRC_BYTES or crc != zlib.crc32(body[:-CRC_BYTES]):
        return None
    return Frame(body[0], body[1], session, bytes(body[HEADER_BYTES:-CRC_BYTES]))
