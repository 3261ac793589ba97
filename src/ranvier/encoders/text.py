"""Text to events: each run of n characters is one spike, of the neuron that its hash names.

    neuron = crc32(UTF-8 bytes of the n characters) mod size

crc32 is that of zlib, Ethernet and the host link. A character is a Unicode code point. A text of fewer than n characters is one event.
"""

from __future__ import annotations

import zlib

import numpy as np

from ..model.errors import RanvierError
from .values import Spikes

__all__ = ["ngram_neurons", "text"]


def ngram_neurons(content: str | bytes, size: int = 1024, n: int = 3) -> list[int]:
    """The neuron of every run of ``n`` characters, in their order, 0 to ``size`` - 1.

    ``content`` is a text, or its UTF-8 bytes, of which a byte order mark in front is no character. Raises `RanvierError` for bytes that
    are no UTF-8, half a surrogate pair, an empty text, and options out of range.
    """
    if isinstance(content, bytes):
        content = _decoded(content)
    if not 1 <= size <= 1 << 24:
        raise RanvierError(f"text: size is {size}; it must be 1 to {1 << 24} neurons")
    if not 1 <= n <= 64:
        raise RanvierError(f"text: n is {n}; it must be 1 to 64 characters")
    if not content:
        raise RanvierError("text: it is empty; give at least one character")
    try:
        return [zlib.crc32(content[start:start + n].encode()) % size for start in range(max(len(content) - n, 0) + 1)]
    except UnicodeEncodeError as error:
        raise RanvierError(f"text: character {error.start} of a run is half a surrogate pair; give whole characters") from None


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RanvierError(f"text: byte {error.start} is no UTF-8 ({error.reason}); convert the text to UTF-8") from None


def text(content: str | bytes, size: int = 1024, n: int = 3) -> Spikes:
    """Spikes [steps, size], bool: in each step the one of `ngram_neurons`. There are as many steps as runs of ``n`` characters."""
    neurons = ngram_neurons(content, size, n)
    spikes = np.zeros((len(neurons), size), bool)
    spikes[np.arange(len(neurons)), neurons] = True
    return spikes
