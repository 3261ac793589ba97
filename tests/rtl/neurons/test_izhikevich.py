"""A fabric of Izhikevich's neurons against the model: every spike, state word, counter and clock."""

from __future__ import annotations

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.rtl.forms.technology import CHECKED
from ranvier.sim.simulator import Simulator
from ranvier.verify.campaign import draw_case
from ranvier.verify.evidence import check_batch

CONFIG = FabricConfig(
    cores=2, state_bits=18, weight_bits=4, input_bits=6, word_bits=8, spike_depth=2048, levels=24, neurons="izhikevich",
    core=CoreConfig(lanes=4, sweep_lanes=2, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=256, drive_depth=256,
                    dynamics_depth=256, readout_depth=256),
    input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=128, dynamics_depth=128))


def test_the_rtl_equals_the_model() -> None:
    spikes = clamps = 0
    with Simulator(CONFIG, technology=CHECKED) as compiled:
        for seed in range(25):
            placement, inputs, steps, endless = draw_case(seed, CONFIG)
            compiled.load(placement)
            check = check_batch(placement, compiled, inputs, steps, endless=endless)
            assert check.mismatch is None, f"seed {seed}: {check.mismatch}"
            driven = {p.name for p in placement.network.inputs}
            spikes += sum(int(found.sum()) for name, found in check.golden.spikes.items() if name not in driven)
            clamps += sum(int(found.sum()) for name, found in check.golden.clamps.items() if name not in driven)
    assert spikes > 100 and clamps > 100, f"{spikes} spikes and {clamps} clamps on cores"
