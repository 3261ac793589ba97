"""The random numbers: lookup3 as published, and what is asked of a generator without a sequence."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.model.errors import RanvierError
from ranvier.model.prng import prng

words = st.integers(0, (1 << 32) - 1)
Words = npt.NDArray[np.uint32]

#: The vectors of docs/encoders.md: seed, step, neuron, purpose, number.
VECTORS = (
    (0, 0, 0, 0, 0x690FAD70), (1, 0, 0, 0, 0xC2C4EE60), (0, 1, 0, 0, 0x2D922304), (0, 0, 1, 0, 0x38B96B60), (0, 0, 0, 1, 0x56D9241B),
    (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xCCF296E8))


def _lookup3(data: bytes, initial: int) -> int:
    """Jenkins's `hashlittle`, written from his description for any length: an oracle that shares nothing with the model."""
    def rot(x: int, k: int) -> int:
        return (x << k | x >> 32 - k) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(data) + initial) & 0xFFFFFFFF
    while len(data) > 12:
        a = a + int.from_bytes(data[0:4], "little")
        b = b + int.from_bytes(data[4:8], "little") & 0xFFFFFFFF
        c = c + int.from_bytes(data[8:12], "little") & 0xFFFFFFFF
        a = (a - c & 0xFFFFFFFF) ^ rot(c, 4)
        c = c + b & 0xFFFFFFFF
        b = (b - a & 0xFFFFFFFF) ^ rot(a, 6)
        a = a + c & 0xFFFFFFFF
        c = (c - b & 0xFFFFFFFF) ^ rot(b, 8)
        b = b + a & 0xFFFFFFFF
        a = (a - c & 0xFFFFFFFF) ^ rot(c, 16)
        c = c + b & 0xFFFFFFFF
        b = (b - a & 0xFFFFFFFF) ^ rot(a, 19)
        a = a + c & 0xFFFFFFFF
        c = (c - b & 0xFFFFFFFF) ^ rot(b, 4)
        b = b + a & 0xFFFFFFFF
        data = data[12:]
    if not data:
        return c
    data = data.ljust(12, b"\0")
    a = a + int.from_bytes(data[0:4], "little") & 0xFFFFFFFF
    b = b + int.from_bytes(data[4:8], "little") & 0xFFFFFFFF
    c = c + int.from_bytes(data[8:12], "little") & 0xFFFFFFFF
    c = (c ^ b) - rot(b, 14) & 0xFFFFFFFF
    a = (a ^ c) - rot(c, 11) & 0xFFFFFFFF
    b = (b ^ a) - rot(a, 25) & 0xFFFFFFFF
    c = (c ^ b) - rot(b, 16) & 0xFFFFFFFF
    a = (a ^ c) - rot(c, 4) & 0xFFFFFFFF
    b = (b ^ a) - rot(a, 14) & 0xFFFFFFFF
    return (c ^ b) - rot(b, 24) & 0xFFFFFFFF


def test_oracle_gives_the_published_numbers() -> None:
    """The vectors that lookup3.c prints itself (its driver5)."""
    assert _lookup3(b"", 0) == 0xDEADBEEF
    assert _lookup3(b"Four score and seven years ago", 0) == 0x17770551
    assert _lookup3(b"Four score and seven years ago", 1) == 0xCD628161


@given(words, words, words, words)
def test_number_is_that_of_lookup3(seed: int, step: int, neuron: int, purpose: int) -> None:
    data = b"".join(word.to_bytes(4, "little") for word in (seed, step, purpose, 0, neuron))
    assert prng(seed, step, neuron, purpose) == _lookup3(data, 0)


@pytest.mark.parametrize(("seed", "step", "neuron", "purpose", "number"), VECTORS)
def test_published_vectors(seed: int, step: int, neuron: int, purpose: int, number: int) -> None:
    assert prng(seed, step, neuron, purpose) == number


def test_arrays_give_what_integers_give() -> None:
    rng = np.random.default_rng(20)
    rows = rng.integers(0, 1 << 32, (4, 3000))
    rows[:, ::5] = rng.choice([0, 1, (1 << 32) - 1], rows[:, ::5].shape)
    found = prng(*rows)
    assert isinstance(found, np.ndarray) and found.dtype == np.uint32
    assert found.tolist() == [prng(*row) for row in rows.T.tolist()]


def test_shapes_broadcast_and_nothing_is_drawn_in_an_order() -> None:
    whole = prng(7, np.arange(5)[:, None], np.arange(9), 2)
    assert isinstance(whole, np.ndarray) and whole.shape == (5, 9)
    assert np.array_equal(prng(7, 3, np.arange(4, 7), 2), whole[3, 4:7])
    alone = prng(7, np.uint8(3), 4, 2)
    assert np.shape(alone) == () and alone == whole[3, 4]
    assert np.shape(prng(7, 0, np.zeros(0, int), 2)) == (0,)


@pytest.mark.parametrize("value", [-1, 1 << 32, np.array([0, -1]), np.array([1 << 32]), 0.5, np.array([True]), True])
@pytest.mark.parametrize("place", range(4))
def test_words_that_are_none(value: object, place: int) -> None:
    given: list[object] = [0, 0, 0, 0]
    given[place] = value
    with pytest.raises(RanvierError, match=rf"^prng: {('seed', 'step', 'neuron', 'purpose')[place]} "):
        prng(*given)  # type: ignore[arg-type]


# What a generator must hold. Everything here is fixed, so a test cannot fail by chance; the bounds are those of six standard deviations.

_N = 1 << 16
#: How the words run: as in a network (small counters) and at random.
_RUNS = {
    "neurons": lambda: (7, 3, np.arange(_N), 1), "steps": lambda: (7, np.arange(_N), 3, 1), "seeds": lambda: (np.arange(_N), 3, 3, 1),
    "purposes": lambda: (7, 3, 3, np.arange(_N)), "raster": lambda: (1, np.arange(256)[:, None], np.arange(256), 1),
    "strides": lambda: (1, 0, np.arange(_N) << 16, 1),
}


def _bits(values: Words) -> npt.NDArray[np.float64]:
    """The 32 bits of each value, as -1 and 1."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return np.unpackbits(flat.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little").astype(np.float64) * 2 - 1


@pytest.mark.parametrize("run", _RUNS)
def test_no_bit_is_biased(run: str) -> None:
    means = _bits(np.asarray(prng(*_RUNS[run]()))).mean(axis=0)
    assert np.abs(means).max() < 6 / math.sqrt(_N)


@pytest.mark.parametrize("run", _RUNS)
def test_values_are_uniform(run: str) -> None:
    """Chi square of the upper and of the lower byte, 255 degrees of freedom."""
    values = np.asarray(prng(*_RUNS[run]())).reshape(-1)
    for part in (values >> 24, values & 255):
        chi = float(((np.bincount(part, minlength=256) - _N / 256) ** 2).sum() / (_N / 256))
        assert abs(chi - 255) < 6 * math.sqrt(2 * 255)


@pytest.mark.parametrize("run", _RUNS)
def test_bits_do_not_hang_together(run: str) -> None:
    bits = _bits(np.asarray(prng(*_RUNS[run]())))
    correlation = bits.T @ bits / _N
    assert max(abs(correlation[i, j]) for i, j in combinations(range(32), 2)) < 6 / math.sqrt(_N)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 7, 8, 16, 64, 256, 1024])
@pytest.mark.parametrize("run", ["neurons", "steps", "seeds", "purposes"])
def test_no_serial_correlation(run: str, lag: int) -> None:
    """Of whole values and of every bit with every bit so many neurons, steps, seeds or purposes later."""
    values = np.asarray(prng(*_RUNS[run]()))
    centred = values / 2**32 - 0.5
    assert abs(float((centred[:-lag] * centred[lag:]).mean())) * 12 < 6 / math.sqrt(_N - lag)
    bits = _bits(values)
    assert np.abs(bits[:-lag].T @ bits[lag:]).max() / (_N - lag) < 6 / math.sqrt(_N - lag)


def test_no_correlation_across_a_raster() -> None:
    """Steps against neurons: the diagonals of a raster, where counters that are added would meet."""
    values = np.asarray(prng(1, np.arange(256)[:, None], np.arange(256), 1)) / 2**32 - 0.5
    for down, right in ((1, 1), (1, 255), (2, 1), (1, 2), (4, 4), (16, 16)):
        other = np.roll(values, (down, right), axis=(0, 1))
        assert abs(float((values * other).mean())) * 12 < 6 / math.sqrt(_N)


@pytest.mark.parametrize("place", range(4), ids=("seed", "step", "neuron", "purpose"))
@pytest.mark.parametrize("small", [True, False], ids=("counters", "random"))
def test_avalanche(place: int, small: bool) -> None:
    """Each bit that goes in changes each bit that comes out in half of the cases."""
    n = 1 << 14
    rng = np.random.default_rng(place)
    given = ([np.full(n, 7), rng.integers(0, 64, n), np.arange(n), rng.integers(0, 4, n)] if small
             else list(rng.integers(0, 1 << 32, (4, n))))
    before = np.asarray(prng(*given))
    for bit in range(32):
        flipped = list(given)
        flipped[place] = flipped[place] ^ (1 << bit)
        changed = _bits(before ^ np.asarray(prng(*flipped))).mean(axis=0)
        assert np.abs(changed).max() < 6 / math.sqrt(n), f"bit {bit}"
