"""Whether a fabric's memories can fit a chip at all, counted from its configuration, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..boards import BOARDS, Board
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig, size_text
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.layout import CHUNK_BITS, Counter, Memory, MemoryLayout, memory_map
from ..model.link.identity import IDENTITY_WORDS
from ..model.network.network import Network
from ..rtl.forms.form import form_of
from ..rtl.forms.technology import ECP5, GENERIC, SPRAM_BITS, SPRAM_DEPTH, UP5K, Technology
from ..rtl.memory.config_memory import is_late
from ..rtl.scan.entry import PIECE_BITS, SLICE_BITS

__all__ = ["CHIPS", "Chip", "Need", "Piece", "check_fabric", "check_weights", "chip_of", "fits", "needs", "pieces"]


@dataclass(frozen=True)
class Chip:
    """A chip's memories.

    block_rams, block_bits, widths
        How many block RAMs there are, their bits, and the words' widths that they can have.
    logic_words, logic_cost
        What Yosys also makes memories of, and so small ones: words of (bits, depth) at the cost of one of them as a share of a block RAM.
    """

    name: str
    technology: Technology
    block_rams: int
    block_bits: int
    widths: tuple[int, ...]
    logic_word: tuple[int, int] = (1, 1)
    logic_cost: float = 0.0

    @property
    def weight_bits(self) -> int:
        """Bits of all memories that can hold weights."""
        spram = self.technology.spram_blocks
        return spram * SPRAM_BITS * SPRAM_DEPTH if spram else self.block_rams * self.block_bits

    @property
    def weight_memories(self) -> str:
        """Those memories by name."""
        return f"{self.technology.spram_blocks} SPRAMs" if self.technology.spram_blocks else f"{self.block_rams} block RAMs"

    def block_rams_for(self, bits: int, depth: int) -> int:
        """Fewest block RAMs that hold words of ``bits``; 0 where the memory is made of something else, or may be."""
        if depth <= max(self.technology.most_registers, self.technology.lut_ram_depth):
            return 0
        found = min(-(-bits // width) * -(-depth // (1 << (self.block_bits // width).bit_length() - 1)) for width in self.widths)
        if self.technology.lut_ram_depth:
            return found        # what is deeper is a block RAM by its attribute
        low, high = self.logic_word
        # Yosys takes what costs least. Half of a block RAM's cost is left as a margin.
        return found if -(-bits // low) * -(-depth // high) * self.logic_cost > 2 * found else 0


#: Costs are those of Yosys' libraries: a block RAM of an iCE40 64 bits, of a Gowin 128 with 4 for 16 words of 4 bits in LUTs.
CHIPS = {chip.name: chip for chip in (
    Chip("iCE40UP5K", UP5K, 30, 4096, (2, 4, 8, 16), logic_cost=1 / 64),
    Chip("LFE5U-85F", ECP5, 208, 18432, (1, 2, 4, 9, 18, 36)),
    Chip("LFE5U-45F", ECP5, 108, 18432, (1, 2, 4, 9, 18, 36)),
    Chip("LFE5U-25F", ECP5, 56, 18432, (1, 2, 4, 9, 18, 36)),
    Chip("GW1NR-9C", GENERIC, 26, 18432, (1, 2, 4, 9, 18, 36), (4, 16), 4 / 128))}


def chip_of(board: Board) -> Chip | None:
    """The board's chip; None where nobody has counted its memories."""
    return next((chip for name, chip in CHIPS.items() if board.device.startswith(name)), None)


@dataclass(frozen=True)
class Piece:
    """Words that are kept together: in one memory of the netlist, or side by side in SPRAMs."""

    memory: str
    bits: int
    depth: int
    spram: bool = False


@dataclass(frozen=True)
class Need:
    """What a device needs at least; ``weights`` are the block RAMs among ``block_rams`` that hold weights."""

    block_rams: int
    weights: int
    sprams: int
    spram_depth: int


def pieces(device: DeviceConfig, technology: Technology) -> Iterator[Piece]:
    """Every memory of a device that is not of registers, as the RTL cuts it up (`ConfigMemory`, `Counters`, the link's two)."""
    config = device.fabric
    counters = Piece("COUNTERS", CHUNK_BITS, 1 << len(Counter).bit_length())
    for _ in range(config.cores):
        for number, layout in memory_map(config, "core").items():
            yield from _config_memory(number, layout, technology, core=True)
        yield counters
    for number, layout in memory_map(config, "input").items():
        yield from _config_memory(number, layout, technology, core=False)
    yield counters
    yield Piece("link buffer", 8, device.link.buffer_bytes)
    identity = 1 << (IDENTITY_WORDS - 1).bit_length()
    yield Piece("recorder", CHUNK_BITS + config.word_bits, max(device.link.record_depth, identity) + IDENTITY_WORDS)


def _config_memory(number: Memory, layout: MemoryLayout, technology: Technology, *, core: bool) -> Iterator[Piece]:
    if layout.depth <= technology.most_registers:
        return
    if number == Memory.WEIGHTS and technology.spram_blocks:
        yield Piece(number.name, layout.bits, layout.depth, spram=True)
        return
    late = is_late(number, form_of(technology))
    sliced = late and core and number == Memory.SPIKES
    most = PIECE_BITS if late and core and number in (Memory.PROGRAM, Memory.SPIKES) else CHUNK_BITS
    first = 0
    for width in [bits for _, bits in layout.columns] or [layout.bits]:
        cuts = [first, *range(first - first % most + most, first + width, most), first + width]
        for low, high in zip(cuts, cuts[1:], strict=False):
            yield Piece(number.name, high - low + (-(-(high - low) // SLICE_BITS) if sliced else 0), layout.depth)
        first += width
    if sliced:
        for low in range(0, layout.bits, CHUNK_BITS):
            yield Piece(number.name, -(-min(CHUNK_BITS, layout.bits - low) // PIECE_BITS), layout.depth)


def needs(device: DeviceConfig, chip: Chip) -> Need:
    """What the memories of a device need of a chip: never more than Yosys makes of them."""
    block_rams = weights = sprams = spram_depth = 0
    for piece in pieces(device, chip.technology):
        if piece.spram:
            sprams += -(-piece.bits // SPRAM_BITS)
            spram_depth = max(spram_depth, piece.depth)
        else:
            count = chip.block_rams_for(piece.bits, piece.depth)
            block_rams += count
            weights += count if piece.memory == Memory.WEIGHTS.name else 0
    return Need(block_rams, weights, sprams, spram_depth)


def fits(board: Board, fabric: FabricConfig) -> bool:
    """Whether the memories of a fabric may fit a board's chip."""
    try:
        check_fabric(board, fabric)
    except RanvierError:
        return False
    return True


def check_weights(board: Board, network: Network) -> None:
    """Raises `RanvierError` where a board's chip has too little memory for the weights alone, whatever the fabric."""
    chip = chip_of(board)
    bits = sum(projection.weights.size for projection in network.projections) * network.weight_bits
    if chip is None or bits <= chip.weight_bits:
        return
    larger = [other.name for other in BOARDS.values() if (found := chip_of(other)) is not None and bits <= found.weight_bits]
    board_too = f", or a board with more memory ({', '.join(larger)})" if larger else ""
    needed, given = _megabits(bits, chip.weight_bits)
    mend = ", fewer --weight-bits in convert" if network.weight_bits > 2 else ""
    raise RanvierError(f"{needed} Mbit of weights; the chip has {given} ({chip.name}, {chip.weight_memories}): use a smaller network"
                       f"{mend}{board_too}")


def _megabits(needed: int, given: int) -> tuple[str, str]:
    """Two different numbers of bits, with as many digits as show that they differ."""
    for digits in range(1, 7):
        texts = f"{needed / 1e6:.{digits}f}", f"{given / 1e6:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts


def check_fabric(board: Board, fabric: FabricConfig, *, tailored: bool = False) -> None:
    """Raises `RanvierError` where the memories of a fabric, and of the link in front of it, cannot fit a board's chip.

    What would help depends on whether the fabric was ``tailored`` to a network.
    """
    chip = chip_of(board)
    if chip is None:
        return
    need = needs(board.device_config(fabric), chip)
    size = size_text(fabric.cores, fabric.core.lanes)
    smaller = "a smaller network, fewer --weight-bits in convert, " if tailored else ""
    mend = f"use {smaller}fewer cores or lanes, or a larger board"
    if need.sprams > chip.technology.spram_blocks:
        raise RanvierError(f"the fabric of {size} does not fit: weights of {fabric.weight_bits} bits for so many lanes need {need.sprams} "
                           f"SPRAMs side by side; the chip has {chip.technology.spram_blocks} ({chip.name}): "
                           "use fewer lanes or cores, or fewer --weight-bits in convert")
    if need.spram_depth > SPRAM_DEPTH:
        word = fabric.weight_bits * fabric.core.lanes
        needed, given = _megabits(need.spram_depth * word * fabric.cores, SPRAM_DEPTH * word * fabric.cores)
        raise RanvierError(f"the fabric of {size} does not fit: {needed} Mbit of weights, each row of neurons filled up to "
                           f"{fabric.core.lanes}; with so many lanes the chip has {given} ({chip.name}, {chip.weight_memories}): {mend}")
    if need.block_rams > chip.block_rams:
        weights = f", {need.weights} of them for weights" if need.weights else ""
        raise RanvierError(f"the fabric of {size} does not fit: its memories need at least {need.block_rams} block RAMs{weights}; "
                           f"the chip has {chip.block_rams} ({chip.name}): {mend}")
