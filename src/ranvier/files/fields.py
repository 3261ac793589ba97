"""Fields of a configuration file: what each may be, and one line for what it is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..model.errors import RanvierError

__all__ = ["Field", "choice", "number", "numbers", "read_fields", "table", "tables", "truth", "whole", "word"]

#: A value to itself, or a `ValueError` that says what it must be.
Field = Callable[[Any], Any]


def read_fields(values: Any, known: Mapping[str, Field], owner: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    """``values`` with every field checked. Raises `RanvierError` that names the field: one that is unknown, wrong or missing."""
    if not isinstance(values, Mapping):
        raise RanvierError(f"{owner} is {_shown(values)}; it must be a table of fields")
    for name in values:
        if name not in known:
            raise RanvierError(f"{owner}.{name}: there is no such field; there are {', '.join(known)}")
    for name in needed:
        if name not in values:
            raise RanvierError(f"{owner}.{name} is missing")
    found = {}
    for name, value in values.items():
        try:
            found[name] = known[name](value)
        except ValueError as error:
            raise RanvierError(f"{owner}.{name} is {_shown(value)}; it must be {error}") from None
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole(least: int, most: int) -> Field:
    """An integer from ``least`` to ``most``."""
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value
    return check


def number(least: float = -math.inf, above: bool = False) -> Field:
    """A finite number, at least ``least``, or ``above`` it."""
    def check(value: Any) -> float:
        ends = "" if least == -math.inf else f" {'above' if above else 'of at least'} {least:g}"
        if type(value) not in (int, float) or not math.isfinite(value) or value < least or above and value == least:
            raise ValueError(f"a number{ends}")
        return float(value)
    return check


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def word(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def choice(*words: Any) -> Field:
    """One of ``words``."""
    def check(value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in words):
            raise ValueError(f"one of {', '.join(map(str, words))}")
        return value
    return check


def numbers(kind: Field, *lengths: int, single: bool = True) -> Field:
    """A list of values of one ``kind``, of one of ``lengths`` where there are any; with ``single`` also one value."""
    def check(value: Any) -> Any:
        if isinstance(value, list) and value and (not lengths or len(value) in lengths):
            return [kind(one) for one in value]
        if single and not isinstance(value, list):
            return kind(value)
        many = f"{' or '.join(map(str, lengths))} of them" if lengths else "a list of such"
        try:
            kind(None)
        except ValueError as error:
            raise ValueError(f"{error}, or {many}" if single else f"{many}, each {error}") from None
    return check


def table(value: Any) -> Any:
    """A table, whose fields are read later."""
    if not isinstance(value, Mapping):
        raise ValueError("a table of fields")
    return value


def tables(value: Any) -> Any:
    """Tables one after another."""
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        raise ValueError("tables, each with its fields")
    return value
