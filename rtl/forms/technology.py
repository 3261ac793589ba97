"""What a device's memories and logic cells are like, as far as it decides how a fabric is built."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amaranth.vendor import LatticeICE40Platform, LatticePlatform

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import Memory, memory_map

from .form import SIMULATION, Form, form_of

__all__ = ["CHECKED", "CHECKED_UP5K", "ECP5", "GENERIC", "SIMULATED", "UP5K", "YOSYS_AFTER_READ", "Technology", "platform_form",
           "technology_of", "weights_in_spram"]

#: Yosys commands after reading a design in RTLIL. Amaranth's platforms take them as ``script_after_read``. The first says what
#: `no_rw_check` says in Verilog, which Yosys does not look for there. The second hides Amaranth's names for the elements of arrays,
#: ``steps[0]``: ABC9 takes them for bits of a wire ``steps``, and where such a wire is there too Yosys fails in an assertion.
YOSYS_AFTER_READ = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:MEMID=*ranvier_ram %i\nrename -hide w:*[[]*"

#: One SB_SPRAM256KA: 16 K words of 16 bits.
SPRAM_DEPTH, SPRAM_BITS = 1 << 14, 16


@dataclass(frozen=True)
class Technology:
    """The memories and logic cells of a device.

    spram_blocks
        Single-port memories (SB_SPRAM256KA) that can hold weights.
    lut_ram_depth
        Memories of up to so many words are made of logic cells, where they cost less than the block RAMs that they would
        leave almost empty, larger ones of block RAMs; 0 leaves all of them to the tool.
    most_registers
        Memories of up to so many words are registers.
    ccu2c
        Whether carry chains are of CCU2C cells, which have a LUT before each bit.
    lut_before_register
        Whether a flip-flop is reached only through the LUT before it, as in an iCE40: then a register without logic takes a
        logic cell, and a multiplexer before a register is free.
    garbles_collisions
        In simulation: a word that is read while it is written comes out wrong, so that nobody can count on it.
    form
        The form to build, instead of the one that follows from the above: ``replace(CHECKED, form=Form(tick_copies=False))``.
    """

    name: str
    spram_blocks: int = 0
    lut_ram_depth: int = 0
    most_registers: int = 2
    ccu2c: bool = False
    lut_before_register: bool = False
    garbles_collisions: bool = False
    form: Form | None = None


#: Plain memories only: Verilog for other tools.
GENERIC = Technology("generic")
#: What `sim/simulator.py` compiles unless it is asked for another one.
SIMULATED = Technology("simulation", form=SIMULATION)
#: For tests.
CHECKED = Technology("checked simulation", garbles_collisions=True)
#: Four SPRAMs beside 30 block RAMs.
UP5K = Technology("iCE40 UP5K", spram_blocks=4, lut_before_register=True)
#: For tests of the form that the UP5K gets.
CHECKED_UP5K = replace(UP5K, name="checked simulation of the iCE40 UP5K", garbles_collisions=True)
#: A DPR16X4 keeps 16 words of 4 bits in 6 LUTs (4 of data, 2 of write logic).
ECP5 = Technology("ECP5", lut_ram_depth=16, ccu2c=True)


def technology_of(platform: object) -> Technology:
    """The technology of an Amaranth platform: its ``ranvier_technology`` if it has one, otherwise by its device.

    A technology may stand for the platform where there is no device.
    """
    if isinstance(platform, Technology):
        return platform
    own = getattr(platform, "ranvier_technology", None)
    if isinstance(own, Technology):
        return own
    if isinstance(platform, LatticeICE40Platform) and platform.device == "iCE40UP5K":
        return UP5K
    if isinstance(platform, LatticePlatform) and str(platform.device).startswith(("LFE5U", "LAE5U")):
        return ECP5
    return GENERIC


def platform_form(platform: object) -> Form:
    """The form of the blocks that are built for a platform, or for the technology that stands for one."""
    return form_of(technology_of(platform))


def weights_in_spram(config: FabricConfig, platform: object) -> bool:
    """Whether the cores' weights go into SPRAM, as they do wherever there is some.

    Raises `RanvierError` where they do not fit: a block RAM holds a sixty-fourth of an SPRAM, so the weights of a fabric that
    is worth its logic would not fit there either.
    """
    technology = technology_of(platform)
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
