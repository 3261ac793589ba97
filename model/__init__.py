"""Ranvier's numbers and networks in integers, and the models that run them; nothing here knows hardware."""

from .config import CoreConfig, FabricConfig, InputConfig
from .errors import RanvierError
from .golden import GoldenRun, run_golden
from .headroom import prove_headroom
from .levels import Schedule, schedule, step_order
from .network import Network, Population, Projection
from .reference import ReferenceRun, run_reference
from .semantics import Semantics

__all__ = [
    "CoreConfig", "FabricConfig", "GoldenRun", "InputConfig", "Network", "Population", "Projection", "RanvierError",
    "ReferenceRun", "Schedule", "Semantics", "prove_headroom", "run_golden", "run_reference", "schedule", "step_order",
]
