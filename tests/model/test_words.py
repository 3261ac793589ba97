"""Packed words: what is packed comes back, and what does not fit is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.model.words import Field, Word, pack

WORD = Word("word", (Field("low", 3, ""), Field("signed", 5, "", True), Field("high", 1, "")))


@given(st.integers(0, 7), st.integers(-16, 15), st.integers(0, 1))
def test_a_packed_word_comes_back(low: int, signed: int, high: int) -> None:
    word = WORD.pack(low=low, signed=signed, high=high)
    assert word == low | (signed & 31) << 3 | high << 8 and 0 <= word < 1 << WORD.bits
    assert WORD.unpack(word) == {"low": low, "signed": signed, "high": high}


@pytest.mark.parametrize("values", [{"low": 8}, {"low": -1}, {"signed": 16}, {"signed": -17}, {"high": 2}])
def test_a_value_beyond_its_field_is_an_error(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))}: .* does not fit"):
        WORD.pack(**{"low": 0, "signed": 0, "high": 0, **values})


def test_fields_are_named_exactly() -> None:
    for values in ({"low": 1, "signed": 0}, {"low": 1, "signed": 0, "high": 0, "more": 0}):
        with pytest.raises(ValueError, match="fields must be"):
            WORD.pack(**values)


def test_an_empty_word_is_nothing() -> None:
    assert pack([]) == 0 and Word("nothing", ()).bits == 0
