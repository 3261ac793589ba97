"""Fabrics of Izhikevich's and of Hodgkin and Huxley's neurons against the model: every spike, state word, counter and clock."""

from __future__ import annotations

import pytest

from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.rtl.forms.technology import CHECKED
from ranvier.sim.simulator import Simulator
from ranvier.verify.campaign import draw_case
from ranvier.verify.evidence import check_batch

CONFIG = FabricConfig(
    cores=1, state_bits=18, weight_bits=4, input_bits=6, word_bits=8, spike_depth=2048, levels=24,
    core=CoreConfig(lanes=4, sweep_lanes=1, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=512, drive_depth=512,
                    dynamics_depth=512, readout_depth=512),
    input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=128, dynamics_depth=128))


@pytest.mark.parametrize("neurons", ["izhikevich", "hodgkin_huxley"])
def test_the_rtl_equals_the_model(neurons: str) -> None:
    config = CONFIG.replace(neurons=neurons)
    spikes = clamps = 0
    with Simulator(config, technology=CHECKED) as compiled:
        for seed in range(12):
            placement, inputs, steps, endless = draw_case(seed, config)
            compiled.load(placement)
            check = check_batch(placement, compiled, inputs, steps, endless=endless)
            assert check.mismatch is None, f"seed {seed}: {check.mismatch}"
            driven = {p.name for p in placement.network.inputs}
            spikes += sum(int(found.sum()) for name, found in check.golden.spikes.items() if name not in driven)
            clamps += sum(int(found.sum()) for name, found in check.golden.clamps.items() if name not in driven)
    assert spikes > 50 and clamps > 50, f"{spikes} spikes and {clamps} clamps on cores"
