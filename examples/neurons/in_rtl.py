"""A network in the compiled RTL beside the model, every spike, state word, counter and clock compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ranvier import CoreConfig, FabricConfig, InputConfig, Network, RanvierError, map_network, tailor
from ranvier.model.fabric.config import least_word_bits
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import Check, check_batch

__all__ = ["check_in_rtl"]


def check_in_rtl(network: Network, inputs: Mapping[str, npt.NDArray[Any]], steps: int, *, lanes: int = 4) -> Check:
    """Run ``network`` for one sample on a fabric of one core that is made for it.

    The result holds the model's run, the predicted clocks and the RTL's record. Raises `RanvierError` at the first difference.
    """
    sweep = min(lanes, 4)
    word = max(32, least_word_bits(1, sweep, network.spike_bits))
    wanted = FabricConfig(cores=1, core=CoreConfig(lanes=lanes, sweep_lanes=sweep), input=InputConfig(sweep_lanes=1), word_bits=word)
    placement = map_network(network, tailor(network, wanted))
    with Simulator(placement.config) as simulator:
        simulator.load(placement)
        check = check_batch(placement, simulator, inputs, steps, endless=True)
    if check.mismatch is not None:
        raise RanvierError(f"model and RTL differ: {check.mismatch}")
    return check
