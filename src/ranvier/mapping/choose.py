"""Which fabric a network gets where none is named."""

from __future__ import annotations

from ..model.errors import RanvierError
from ..model.fabric.config import MOST_WORD_BITS, CoreConfig, FabricConfig, InputConfig, least_word_bits
from ..model.network.network import Network
from .mapper import map_network, tailor

__all__ = ["choose_fabric", "with_cores"]


def choose_fabric(network: Network, cores: int = 2, lanes: int = 64) -> FabricConfig:
    """The standard fabric of ``cores`` x ``lanes`` if the network fits it, otherwise one tailored to the network."""
    sweep = min(8, lanes)
    inputs = 16 if cores <= 15 else 8    # fewer would make the encoder, not the weights, the limit
    standard = with_cores(FabricConfig(core=CoreConfig(lanes=lanes, sweep_lanes=sweep), input=InputConfig(sweep_lanes=inputs),
                                       word_bits=64), cores, network.spike_bits)
    try:
        map_network(network, standard)
    except RanvierError:
        return tailor(network, standard)
    return standard


def with_cores(base: FabricConfig, cores: int, spike_bits: int) -> FabricConfig:
    """``base`` with other cores: its spike words as long as the ring needs them, fewer sweep lanes where words cannot be that long."""
    sweep, inputs = base.core.sweep_lanes, base.input.sweep_lanes
    while least_word_bits(cores, max(sweep, inputs), spike_bits) > MOST_WORD_BITS and max(sweep, inputs) > 1:
        inputs = max(1, inputs // 2)
        sweep = min(sweep, inputs)
    word = max(base.word_bits, least_word_bits(cores, max(sweep, inputs), spike_bits))
    return base.replace(cores=cores, word_bits=word, core={"sweep_lanes": sweep}, input={"sweep_lanes": inputs})
