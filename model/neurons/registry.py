"""The families and kinds of neuron that networks can name. A new family is one line here, and one in `rtl/neurons/registry.py`."""

from __future__ import annotations

from .hodgkin_huxley import HODGKIN_HUXLEY
from .integrate import INTEGRATE
from .izhikevich import IZHIKEVICH
from .kind import Family, Kind, Parameter

__all__ = ["DEFAULT_FAMILY", "FAMILIES", "all_parameters", "driven_family", "family_of", "find_kind", "kind_names"]

#: Families by name.
FAMILIES: dict[str, Family] = {family.name: family for family in (INTEGRATE, IZHIKEVICH, HODGKIN_HUXLEY)}
#: What the cores of a fabric compute where its configuration does not say.
DEFAULT_FAMILY = INTEGRATE.name


def kind_names() -> tuple[str, ...]:
    """Names of all kinds."""
    return tuple(kind.name for family in FAMILIES.values() for kind in family.kinds)


def find_kind(name: str) -> Kind | None:
    """The kind of that name, or None."""
    return next((kind for family in FAMILIES.values() for kind in family.kinds if kind.name == name), None)


def family_of(kind: str) -> Family:
    """The family of the kind of that name; KeyError where there is none."""
    for family in FAMILIES.values():
        if any(found.name == kind for found in family.kinds):
            return family
    raise KeyError(kind)


def driven_family() -> Family:
    """The family whose neurons the host drives: what the input unit computes."""
    return next(family for family in FAMILIES.values() if any(kind.driven for kind in family.kinds))


def all_parameters() -> dict[str, Parameter]:
    """Parameters of all families by name; of those that share a name, the first family's."""
    return {p.name: p for family in reversed(FAMILIES.values()) for p in family.parameters}
