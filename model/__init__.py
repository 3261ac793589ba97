"""Ranvier's numbers and networks in integers, and the models that run them; nothing here knows hardware."""

from .errors import RanvierError
from .fabric.config import CoreConfig, FabricConfig, InputConfig
from .network.headroom import prove_headroom
from .network.levels import Schedule, schedule, step_order
from .network.network import Network
from .network.population import Population
from .network.projection import Projection
from .network.semantics import Semantics
from .run.golden import GoldenRun, run_golden
from .run.reference import ReferenceRun, run_reference

__all__ = [
    "CoreConfig", "FabricConfig", "GoldenRun", "InputConfig", "Network", "Population", "Projection", "RanvierError",
    "ReferenceRun", "Schedule", "Semantics", "prove_headroom", "run_golden", "run_reference", "schedule", "step_order",
]
