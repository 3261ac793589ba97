"""Text to events: the hash as written down, and text that is none."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import ngram_neurons, text
from ranvier.model.errors import RanvierError

#: The vectors of docs/encoders.md: text, size, n, neurons.
VECTORS = (("spikes", 1024, 3, [785, 380, 518, 695]), ("naïve", 256, 2, [24, 241, 36, 88]), ("a", 1024, 3, [579]))


@pytest.mark.parametrize(("content", "size", "n", "neurons"), VECTORS)
def test_published_vectors(content: str, size: int, n: int, neurons: list[int]) -> None:
    assert ngram_neurons(content, size, n) == neurons
    assert ngram_neurons(content.encode(), size, n) == neurons


def _crc(data: bytes) -> int:
    """CRC-32 a bit at a time, as Ethernet has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.integers(1, 5), st.integers(1, 5000))
def test_each_run_is_one_event(content: str, n: int, size: int) -> None:
    neurons = ngram_neurons(content, size, n)
    runs = [content[k:k + n] for k in range(max(len(content) - n + 1, 1))]
    assert neurons == [_crc(run.encode()) % size for run in runs]
    spikes = text(content, size, n)
    assert spikes.shape == (len(runs), size) and spikes.dtype == bool
    assert np.argwhere(spikes).tolist() == [[step, neuron] for step, neuron in enumerate(neurons)]


def test_neurons_are_used_alike() -> None:
    """All pairs of letters over 64 neurons: no neuron gets much more than its share."""
    letters = [a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz"]
    counts = np.bincount([ngram_neurons(pair, 64, 2)[0] for pair in letters], minlength=64)
    assert counts.max() <= 3 * len(letters) / 64


def test_byte_order_mark_is_no_character() -> None:
    assert ngram_neurons(b"\xef\xbb\xbfabc") == ngram_neurons("abc") == [zlib.crc32(b"abc") % 1024]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: text(b"ab\xff\xfe"), "byte 2 is no UTF-8"), (lambda: text("\ud800"), "half a surrogate pair"),
    (lambda: text(""), "it is empty"), (lambda: text("abc", 0), "size is 0"), (lambda: text("abc", n=0), "n is 0")])
def test_bad_text(call: object, message: str) -> None:
    with pytest.raises(RanvierError, match=f"^text: .*{message}"):
        call()  # type: ignore[operator]
