"""A random network in the compiled fabric beside the model."""

from __future__ import annotations

from dataclasses import dataclass

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.network.network import Network
from ranvier.sim.simulator import Simulator
from ranvier.verify.campaign import draw_case
from ranvier.verify.evidence import check_batch


@dataclass(frozen=True)
class Equal:
    """A network whose every spike, state word, counter and clock is the model's, and what its cores did."""

    network: Network
    spikes: int
    clamps: int


def equal_in_rtl(compiled: Simulator, config: FabricConfig, seed: int) -> Equal:
    """Draw the network of ``seed``, run it, and raise AssertionError at the first difference."""
    placement, inputs, steps, endless = draw_case(seed, config)
    compiled.load(placement)
    check = check_batch(placement, compiled, inputs, steps, endless=endless)
    assert check.mismatch is None, f"seed {seed}: {check.mismatch}"
    cores = [p.name for p in placement.network.populations if not p.driven]
    return Equal(placement.network, *(sum(int(found[name].sum()) for name in cores if name in found)
                                      for found in (check.golden.spikes, check.golden.clamps)))
