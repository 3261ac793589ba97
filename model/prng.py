"""Random numbers as a function of place and time: no sequence, no order of draws.

    u = prng(seed, step, neuron, purpose)          four words of 32 bits give one

It is Bob Jenkins's public `hashword` (lookup3.c, 2006) of the five words seed, step, purpose, 0, neuron. Additions, subtractions,
rotations and exclusive or of 32 bits are all that it takes, so it needs no multiplier. The neuron comes last: what the other words make,
the `key`, is the same for all neurons of a step, and each neuron adds a `draw` of seven subtractions. `rtl/prng.py` mirrors both by name.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import RanvierError

__all__ = ["BASE", "DRAW_STEPS", "KEY_STEPS", "WORD_BITS", "Purpose", "draw", "key", "prng"]

Words = npt.NDArray[np.uint32]
Word = TypeVar("Word", int, Words)

#: Bits of each word that goes in and of the one that comes out.
WORD_BITS = 32
# Any, as an integer and an array take it alike.
_MASK: Any = (1 << WORD_BITS) - 1
#: What all three words of the state start from: lookup3's constant for five words.
BASE = 0xDEADBEEF + (5 << 2)
#: lookup3's `mix`: for each step the word that is mixed, the one that it loses and is mixed with, the one added to that, and the rotation.
KEY_STEPS = ((0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4))
#: lookup3's `final`: for each step the word that changes, the one that changes it, and the rotation.
DRAW_STEPS = ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24))


class Purpose(IntEnum):
    """What a number is drawn for: draws of one neuron and step are independent where their purposes differ."""

    RATE = 1    #: whether a value spikes in a step, `ranvier.encoders.rate`
    NEURON = 2  #: a neuron's own draws in a step, `ranvier.model.neurons.truenorth`


def _rotated(x: Word, by: int) -> Word:
    """``x`` rotated to the left."""
    rotated: Word = ((x << by) | (x >> (WORD_BITS - by))) & _MASK
    return rotated


def key(seed: Word, step: Word, purpose: Word) -> tuple[Word, Word, Word]:
    """The three words that all neurons of a step share. Python integers, or uint32 arrays that broadcast."""
    state: list[Word] = [(BASE + word) & _MASK for word in (seed, step, purpose)]
    for mixed, by, plus, rotation in KEY_STEPS:
        state[mixed] = ((state[mixed] - state[by]) & _MASK) ^ _rotated(state[by], rotation)
        state[by] = (state[by] + state[plus]) & _MASK
    return state[0], state[1], state[2]


def draw(state: tuple[Word, Word, Word], neuron: Word) -> Word:
    """The number of a neuron, from the words of `key`."""
    words: list[Word] = [state[0], (state[1] + neuron) & _MASK, state[2]]
    for changed, by, rotation in DRAW_STEPS:
        words[changed] = ((words[changed] ^ words[by]) - _rotated(words[by], rotation)) & _MASK
    return words[2]


def prng(seed: int | npt.ArrayLike, step: int | npt.ArrayLike, neuron: int | npt.ArrayLike, purpose: int | npt.ArrayLike) -> int | Words:
    """A number of 32 bits, uniform, for every seed, step, neuron and purpose.

    Each is 0 to 2**32 - 1. Python integers give a Python integer; where one is an array, the result is a uint32 array of the shape that
    they broadcast to. Give ``step`` a trailing axis of 1 and the words of `key` are made once for all neurons. A number outside that
    range is a `RanvierError`, as is anything that is no whole number.
    """
    given = {"seed": seed, "step": step, "neuron": neuron, "purpose": purpose}
    if all(type(value) is int for value in given.values()):
        for name, value in given.items():
            _check(name, value, value)  # type: ignore[arg-type]
        return draw(key(seed, step, purpose), neuron)  # type: ignore[type-var, return-value]
    seeds, steps, neurons, purposes = (_words(name, value) for name, value in given.items())
    return draw(key(seeds, steps, purposes), neurons).reshape(np.broadcast_shapes(*(np.shape(value) for value in given.values())))


def _words(name: str, value: int | npt.ArrayLike) -> Words:
    """``value`` as uint32 of at least one axis: numpy warns of scalars that wrap, and not of arrays."""
    array = np.atleast_1d(value)
    if array.dtype.kind not in "iu":
        raise RanvierError(f"prng: {name} has the type {array.dtype}; give whole numbers from 0 to {_MASK}")
    if array.size:
        _check(name, int(array.min()), int(array.max()))
    return array.astype(np.uint32)


def _check(name: str, least: int, most: int) -> None:
    if least < 0 or most > _MASK:
        raise RanvierError(f"prng: {name} is {least if least < 0 else most}; it must be 0 to {_MASK}")
