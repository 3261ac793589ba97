"""Input values as commands, in the fewest bytes that hold them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..model.fabric.image import pack_inputs
from ..model.fabric.layout import CHUNK_BITS
from ..model.link.protocol import MOST_PAYLOAD, Command, values_per_write
from .result import Job
from .session import Request, Words, write_requests

__all__ = ["InputLoader"]

#: Commands that take values of so many bits.
_COMMANDS = {1: Command.WRITE_1, 4: Command.WRITE_4, 8: Command.WRITE_8}


class InputLoader:
    """Commands that write one set of input values of a block of samples into the free bank."""

    def __init__(self, job: Job, samples: range) -> None:
        rows = slice(samples.start, samples.stop)
        arrays = {name: values[rows].reshape(-1, values.shape[-1]) for name, values in job.values.items()}
        self._steps = job.steps if job.per_step else 1
        self._sets = pack_inputs(job.placement, arrays)
        self._first = samples.start
        # These commands make bytes; inputs of another width are written as the memory has them.
        self._bits = job.pixel_bits if job.placement.config.input_bits == 8 else 0
        self._each = values_per_write(job.placement.config)

    def requests(self, sample: int, step: int = 0) -> list[Request]:
        """The values of a sample; of one of its steps, where they change from step to step."""
        if not self._sets.size:    # a network without inputs
            return []
        writes = self._sets[(sample - self._first) * self._steps + step]
        if not self._bits:
            return list(write_requests(writes))
        return list(_value_requests(writes, self._bits, self._each))


def _value_requests(writes: Words, bits: int, each: int) -> Iterator[Request]:
    """The bytes of ``writes``, ``each`` at an address, as values of so many bits.

    Only whole bytes of the payload are values of these bits: filled up, the last one could reach another address.
    """
    values = np.ascontiguousarray(writes[:, 1].astype("<u4")).view(np.uint8).reshape(-1, CHUNK_BITS // 8)[:, :each].reshape(-1)
    first = int(writes[0, 0])
    whole = len(values) * bits // 8 * 8 // bits // each * each
    most = (MOST_PAYLOAD - 4) // 4 * 4 * 8 // bits
    pieces = [(bits, start, min(start + most, whole)) for start in range(0, whole, most)]
    if whole < len(values):
        pieces.append((8, whole, len(values)))
    for width, start, stop in pieces:
        yield Request(_COMMANDS[width], struct.pack("<I", first + start // each) + _packed(values[start:stop], width))


def _packed(values: npt.NDArray[np.uint8], bits: int) -> bytes:
    """Values of 1, 4 or 8 bits, the first lowest. Those of 4 bits are multiples of 17, whose low half says it all."""
    if bits == 1:
        return np.packbits(values, bitorder="little").tobytes()
    if bits == 4:
        return ((values[0::2] & 15) | (values[1::2] << 4)).tobytes()
    return values.tobytes()
