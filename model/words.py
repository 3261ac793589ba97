"""Words: packed fields, lowest bit first."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Field", "Word", "pack"]

@dataclass(frozen=True)
class Field:
    """One field of a word."""

    name: str
    bits: int
    meaning: str
    signed: bool = False


@dataclass(frozen=True)
class Word:
    """A word of named fields, the first at the lowest bits."""

    name: str
    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        """Width of the word."""
        return sum(f.bits for f in self.fields)

    def pack(self, **values: int) -> int:
        """The word as a non-negative integer; a value that does not fit its field is an error."""
        if set(values) != {f.name for f in self.fields}:
            raise ValueError(f"{self.name}: fields must be {[f.name for f in self.fields]}, not {sorted(values)}")
        return pack([(f.name, int(values[f.name]), f.bits, f.signed) for f in self.fields])

    def unpack(self, word: int) -> dict[str, int]:
        """The fields of a word that `pack` made."""
        values = {}
        for f in self.fields:
            value = word & (1 << f.bits) - 1
            values[f.name] = value - (1 << f.bits) if f.signed and value >> f.bits - 1 else value
            word >>= f.bits
        return values


def pack(parts: list[tuple[str, int, int, bool]]) -> int:
    """Join (name, value, bits, signed) parts, the first at the lowest bits."""
    word = offset = 0
    for name, value, bits, signed in parts:
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if not low <= value <= high:
            raise ValueError(f"{name}: {value} does not fit {bits} bits")
        word |= (value & (1 << bits) - 1) << offset
        offset += bits
    return word
