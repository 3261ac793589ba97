"""The form of a fabric: each decision that a technology brings, by name. Every form gives the same words in the same clocks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from ranvier.model.errors import RanvierError

if TYPE_CHECKING:
    import numpy as np

    from .technology import Technology

__all__ = ["FORMS", "LOGIC_CELLS", "ROUTED", "SIMULATION", "Form", "drawn_form", "form_of"]


@dataclass(frozen=True)
class Form:
    """Decisions about how blocks are built. A `RanvierError` names what does not go together.

    late_memories
        Large memories have an output register and are asked a clock earlier (`late_memory` in `memory/config_memory.py`).
    read_ahead
        The sequencer reads the program ahead and keeps the decoded segment in registers; late memories need it.
    rows_ahead
        The input unit reads its list of rows ahead by one and keeps the row in hand.
    sliced_scan
        The scanner takes a spike word in hand by slices (`SlicedScanner`), else whole (`WholeScanner`); needs late memories, whose words
        come with their occupied slices.
    moving_queues
        Words of a queue move up to the first place (`MovingQueue`), else it is a ring with pointers (`RingQueue`).
    shifted_sums
        The sums of a row shift to the first group, else they are selected by the group's number.
    port_registers
        The configuration port has registers for address and data; else the host must hold them (`AccessPort`).
    chain_registers
        Configuration accesses and their answers pass registers at each stage of a unit's chain.
    answer_registers
        Answers to the host pass registers at each memory; late memories need them.
    ring_registers
        A core has a register between ring and spike buffer.
    single_ring_register
        A ring of two nodes, core and input unit, has one register instead of two.
    tick_copies
        Each unit has registers of its own for what the ticker tells it.
    end_flags
        The ticker finds out a clock ahead that no tick is left.
    step_registers
        Steps of counters pass a register.
    cleared_bounds
        The sweep keeps a membrane and its bounds in registers of which all but one are cleared, else it selects before one register.
    carried_position
        The sweep's pipeline carries a group's place in its spike word, else the assembler counts it.
    link_registers
        The link's answers and the record pass registers.
    bit_trees
        Bits of a spike word are looked at by trees of LUTs, else by subtraction, whose carry chain takes longer.
    shared_chains
        Adders of `LANES_A_CHAIN` lanes share a carry chain, else each is a word of its own.
    """

    late_memories: bool = True
    read_ahead: bool = True
    rows_ahead: bool = True
    sliced_scan: bool = True
    moving_queues: bool = False
    shifted_sums: bool = False
    port_registers: bool = True
    chain_registers: bool = True
    answer_registers: bool = True
    ring_registers: bool = True
    single_ring_register: bool = False
    tick_copies: bool = True
    end_flags: bool = True
    step_registers: bool = True
    cleared_bounds: bool = True
    carried_position: bool = True
    link_registers: bool = True
    bit_trees: bool = True
    shared_chains: bool = True

    def __post_init__(self) -> None:
        needs = (("late_memories", "read_ahead"), ("late_memories", "answer_registers"), ("sliced_scan", "late_memories"))
        for decision, needed in needs:
            if getattr(self, decision) and not getattr(self, needed):
                raise RanvierError(f"form: {decision} needs {needed}: set {needed}, or {decision} to False")


#: Where flip-flops come beside the LUTs and wires are long, as in an ECP5.
ROUTED = Form()
#: Where a register without logic takes a logic cell and a multiplexer before a register is free, as in an iCE40.
LOGIC_CELLS = Form(**{field.name: field.name in ("bit_trees", "shared_chains") or not field.default for field in fields(Form)})
#: What simulates fastest: nothing that only routing needs. The port's registers keep its inputs from what is evaluated for each edge, and
#: a queue that moves copies more than a ring.
SIMULATION = replace(LOGIC_CELLS, port_registers=True, moving_queues=False, single_ring_register=False, carried_position=True,
                     bit_trees=False, shared_chains=False)
#: For tests: the boards' forms, and two that have of both what no board has together. `drawn_form` has all others.
FORMS = (
    ROUTED, LOGIC_CELLS,
    replace(ROUTED, sliced_scan=False, moving_queues=True, rows_ahead=False, port_registers=False, ring_registers=False,
            single_ring_register=True, step_registers=False, carried_position=False, link_registers=False),
    replace(LOGIC_CELLS, read_ahead=True, moving_queues=False, rows_ahead=True, port_registers=True, chain_registers=True,
            tick_copies=True, cleared_bounds=True, end_flags=True, bit_trees=False, shared_chains=False),
)


def form_of(technology: Technology) -> Form:
    """The form that a technology's boards get: its own if it names one."""
    if technology.form is not None:
        return technology.form
    return LOGIC_CELLS if technology.lut_before_register else ROUTED


def drawn_form(rng: np.random.Generator) -> Form:
    """Any valid form; what its late memories need is not left to chance."""
    drawn = {field.name: bool(rng.integers(2)) for field in fields(Form)}
    late = drawn["late_memories"]
    return Form(**drawn | {"read_ahead": drawn["read_ahead"] or late, "answer_registers": drawn["answer_registers"] or late,
                           "sliced_scan": drawn["sliced_scan"] and late})
