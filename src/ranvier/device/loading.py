"""Input values as commands, in the fewest bytes that hold them."""

from __future__ import annotations

import struct

import numpy as np

from ..model.config import FabricConfig
from ..model.image import pack_inputs
from ..model.layout import CHUNK_BITS
from ..model.link import MOST_PAYLOAD, Command
from .result import Job
from .session import Request, Words, write_requests

__all__ = ["InputLoader"]

_BYTES = CHUNK_BITS // 8


class InputLoader:
    """Commands that write one set of input values of a block of pictures into the free bank."""

    def __init__(self, job: Job, pictures: range) -> None:
        rows = slice(pictures.start, pictures.stop)
        arrays = {name: values[rows].reshape(-1, values.shape[-1]) for name, values in job.values.items()}
        self._steps = job.steps if job.per_step else 1
        self._sets = pack_inputs(job.placement, arrays)
        self._first = pictures.start
        self._command = _compact_command(job.placement.config, job.pixel_bits)

    def requests(self, picture: int, step: int = 0) -> list[Request]:
        """The values of a picture; of one of its steps, where they change from step to step."""
        if not len(self._sets):
            return []
        writes = self._sets[(picture - self._first) * self._steps + step]
        if self._command is None:
            return list(write_requests(writes))
        return _compact(writes, self._command)


def _compact_command(config: FabricConfig, pixel_bits: int) -> Command | None:
    """WRITE_1 and WRITE_4 make bytes, four to a word, so every byte of the memory must be a value."""
    if config.input_bits != 8 or config.input.sweep_lanes % _BYTES:
        return None
    return {1: Command.WRITE_1, 4: Command.WRITE_4}.get(pixel_bits)


def _compact(writes: Words, command: Command) -> list[Request]:
    """Values of 1 or 4 bits. What does not fill a whole word of the payload is written as bytes."""
    bits = 1 if command == Command.WRITE_1 else 4
    per_word = CHUNK_BITS // bits // _BYTES             # words of memory that a word of the payload makes
    whole = len(writes) // per_word * per_word
    values = np.ascontiguousarray(writes[:whole, 1]).view(np.uint8)
    payload = np.packbits(values, bitorder="little") if bits == 1 else (values[0::2] & 15) | (values[1::2] << 4)
    data = payload.astype(np.uint8).tobytes()
    found, most = [], (MOST_PAYLOAD - 4) // _BYTES * _BYTES
    for first in range(0, len(data), most):
        address = int(writes[first * 8 // bits // _BYTES, 0])
        found.append(Request(command, struct.pack("<I", address) + data[first:first + most]))
    return [*found, *write_requests(writes[whole:])]
