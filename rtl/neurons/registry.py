"""The pipelines by the names of their families in `model/neurons/registry.py`. A new family is one line here."""

from __future__ import annotations

from .hodgkin_huxley import HodgkinHuxley
from .integrate import Integrate
from .izhikevich import Izhikevich
from .unit import NeuronUnit

__all__ = ["UNITS"]

#: One lane of each family.
UNITS: dict[str, type[NeuronUnit]] = {"integrate": Integrate, "izhikevich": Izhikevich, "hodgkin_huxley": HodgkinHuxley}
