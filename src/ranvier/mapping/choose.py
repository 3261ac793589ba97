"""Which fabric a network gets where none is named."""

from __future__ import annotations

from ..model.errors import RanvierError
from ..model.fabric.config import MOST_WORD_BITS, CoreConfig, FabricConfig, InputConfig, least_word_bits
from ..model.network.network import Network
from .mapper import map_network, tailor

__all__ = ["choose_fabric"]


def choose_fabric(network: Network, cores: int = 2, lanes: int = 64) -> FabricConfig:
    """The standard fabric of ``cores`` x ``lanes`` if the network fits it, otherwise one tailored to the network."""
    sweep = min(8, lanes)
    inputs = 16 if cores <= 15 else 8    # fewer would make the encoder, not the weights, the limit
    while least_word_bits(cores, max(sweep, inputs), network.spike_bits) > MOST_WORD_BITS and max(sweep, inputs) > 1:
        inputs = max(1, inputs // 2)
        sweep = min(sweep, inputs)
    word = least_word_bits(cores, max(sweep, inputs), network.spike_bits)
    standard = FabricConfig(cores=cores, core=CoreConfig(lanes=lanes, sweep_lanes=sweep), input=InputConfig(sweep_lanes=inputs),
                            word_bits=max(64, word))
    try:
        map_network(network, standard)
    except RanvierError:
        return tailor(network, standard)
    return standard
