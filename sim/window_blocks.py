"""Blocks of a fabric that scans windows, with its loops, and lanes as wide as a core can be, for their benches."""

from __future__ import annotations

from amaranth.lib.wiring import Component

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.rtl.forms.form import Form
from ranvier.rtl.lanes import Lanes
from ranvier.rtl.scan.sequencer import Sequencer
from ranvier.rtl.scan.sliced_scanner import SlicedScanner
from ranvier.rtl.scan.whole_scanner import WholeScanner
from ranvier.rtl.sweep.sweep import Sweep

__all__ = ["WIDE", "WINDOWS", "wide_lanes", "window_blocks"]

#: Words of two pieces, so that a window begins and ends in any slice of them; programs long enough for a few loops.
WINDOWS = FabricConfig(
    cores=2, state_bits=12, weight_bits=4, input_bits=6, word_bits=32, spike_depth=256, levels=4, queue_depth=4, windows=1,
    core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=64, row_depth=16, weight_depth=128, state_depth=64, drive_depth=16,
                    dynamics_depth=16, readout_depth=16),
    input=InputConfig(sweep_lanes=4, row_depth=8, state_depth=16, drive_depth=16, dynamics_depth=16))
#: The widest core, in a few large groups and in many small ones.
WIDE = {
    "lanes_large": WINDOWS.replace(word_bits=256, core={"lanes": 256, "sweep_lanes": 64}),
    "lanes_many": WINDOWS.replace(core={"lanes": 256, "sweep_lanes": 2}),
}


def window_blocks(form: Form) -> dict[str, Component]:
    """The blocks by the prefix of their ports."""
    return {"sequencer": Sequencer(WINDOWS), "scanner": (SlicedScanner if form.sliced_scan else WholeScanner)(WINDOWS),
            "sweep": Sweep(WINDOWS, "core")}


def wide_lanes() -> dict[str, Component]:
    """The lanes by the prefix of their ports."""
    return {name: Lanes(config) for name, config in WIDE.items()}
