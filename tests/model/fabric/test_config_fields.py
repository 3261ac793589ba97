"""Configurations from JSON: a field of the wrong type is one line that names it, whatever the field and the type."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population

DEVICE = DeviceConfig(FabricConfig()).to_json()
WRONG = [None, True, [], ["nearest"], {}, {"a": 1}, 1.0, 4.0, "x", "", "4", -1, 1 << 70, float("nan")]


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field, objects too."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*path, name))
    return found


@pytest.mark.parametrize("path", places(DEVICE), ids=".".join)
def test_a_field_of_the_wrong_type(path: tuple[str, ...]) -> None:
    for wrong in WRONG:
        value = copy.deepcopy(DEVICE)
        at = value
        for name in path[:-1]:
            at = at[name]
        if path[-1] == "board" and wrong in ("x", "4"):
            continue    # a name like any other
        at[path[-1]] = wrong
        for read, part in ((DeviceConfig.from_json, value), (FabricConfig.from_json, value["fabric"])):
            if read == FabricConfig.from_json and path[0] != "fabric" or read == FabricConfig.from_json and len(path) == 1:
                continue
            with pytest.raises(RanvierError) as refused:
                read(part)
            message = str(refused.value)
            assert message.isprintable() and len(message) < 500
            # Of an object that is none, its own fields are named.
            assert path[-1] in message or isinstance(at[path[-1]], dict) or path[-1] in ("fabric", "core", "input", "link"), message


@pytest.mark.parametrize("wrong", [[], {}, None, 3])
def test_rounding_given_in_a_program(wrong: Any) -> None:
    with pytest.raises(RanvierError, match="rounding"):
        FabricConfig(rounding=wrong)
    with pytest.raises(RanvierError, match="rounding"):
        Network((Population("a", (1, 1, 1), "li", {}),), (), rounding=wrong)


@pytest.mark.parametrize("wrong", [True, 4.0, [4]])
def test_widths_given_in_a_program(wrong: Any) -> None:
    for name in ("weight_bits", "cores", "state_bits"):
        with pytest.raises(RanvierError, match=name):
            FabricConfig(**{name: wrong})
