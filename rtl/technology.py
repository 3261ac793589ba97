"""What a device's memories are like, as far as it decides which of them a fabric uses."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.vendor import LatticeICE40Platform, LatticePlatform

from ranvier.model.config import FabricConfig
from ranvier.model.errors import RanvierError
from ranvier.model.layout import Memory, memory_map

__all__ = ["ECP5", "GENERIC", "UP5K", "Technology", "technology_of", "weights_in_spram"]

#: One SB_SPRAM256KA: 16 K words of 16 bits.
SPRAM_DEPTH, SPRAM_BITS = 1 << 14, 16


@dataclass(frozen=True)
class Technology:
    """The memories of a device.

    spram_blocks
        Single-port memories (SB_SPRAM256KA) that can hold weights.
    lut_ram_depth
        Memories of up to so many words are made of logic cells, where they cost less than the block RAMs that they would
        leave almost empty; 0 leaves all of them to the tool.
    """

    name: str
    spram_blocks: int = 0
    lut_ram_depth: int = 0


#: Plain memories only: simulation, Verilog for other tools.
GENERIC = Technology("generic")
#: Four SPRAMs beside 30 block RAMs.
UP5K = Technology("iCE40 UP5K", spram_blocks=4)
#: A DPR16X4 keeps 16 words of 4 bits in 6 LUTs (4 of data, 2 of write logic).
ECP5 = Technology("ECP5", lut_ram_depth=32)


def technology_of(platform: object) -> Technology:
    """The technology of an Amaranth platform: its ``ranvier_technology`` if it has one, otherwise by its device."""
    own = getattr(platform, "ranvier_technology", None)
    if isinstance(own, Technology):
        return own
    if isinstance(platform, LatticeICE40Platform) and platform.device == "iCE40UP5K":
        return UP5K
    if isinstance(platform, LatticePlatform) and str(platform.device).startswith(("LFE5U", "LAE5U")):
        return ECP5
    return GENERIC


def weights_in_spram(config: FabricConfig, technology: Technology) -> bool:
    """Whether the cores' weights go into SPRAM, as they do wherever there is some.

    Raises `RanvierError` where they do not fit: a block RAM holds a sixty-fourth of an SPRAM, so the weights of a fabric that
    is worth its logic would not fit there either.
    """
    if not technology.spram_blocks:
        return False
    layout = memory_map(config, "core")[Memory.WEIGHTS]
    blocks = config.cores * -(-layout.bits // SPRAM_BITS)
    if blocks > technology.spram_blocks:
        raise RanvierError(
            f"fabric: the weights of {config.cores} x {config.core.lanes} lanes with {config.weight_bits} bits need {blocks} "
            f"SPRAMs side by side, {technology.name} has {technology.spram_blocks}: use fewer lanes or cores")
    if layout.depth > SPRAM_DEPTH:
        raise RanvierError(f"core: weight_depth is {layout.depth}; an SPRAM of {technology.name} has {SPRAM_DEPTH} words: "
                           "use a smaller one")
    return True
