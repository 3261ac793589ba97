"""Checks that a mutant must fail, each run in a process of its own: ``python checks.py NAME [ARGUMENT]``.

They go from cheap to expensive. Where the sources are as they should be, all of them succeed.

    model             golden model against the plain reference
    frozen FORM       the model against RTL that was compiled before the fault was put in; RANVIER_FROZEN is its folder
    fabric FORM       the RTL, compiled now, against the model
    device            faults on the line of the compiled device, and a run over it

``freeze FORM FOLDER`` compiles what `frozen` and `fabric` need of a form.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

#: Networks for each form; the first ones have whatever seldom acts.
NETWORKS = 10


def _fabric():
    from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
    return FabricConfig(
        cores=2, core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=512, row_depth=64, weight_depth=2048, state_depth=256,
                                 drive_depth=256, dynamics_depth=256, readout_depth=128),
        input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=64, drive_depth=64, dynamics_depth=64),
        state_bits=16, weight_bits=4, input_bits=8, word_bits=8, spike_depth=2048, levels=24, queue_depth=3)


def model() -> None:
    from ranvier.model.run.golden import run_golden
    from ranvier.model.run.reference import run_reference
    from ranvier.verify.random_networks import random_inputs, random_network
    for seed in range(40):
        rng = np.random.default_rng(seed)
        network = random_network(rng, max_neurons=6, wide=seed % 2 == 0)
        steps, batch = int(rng.integers(1, 25)), 2 if network.inputs else 1
        inputs = random_inputs(rng, network, batch, steps)
        endless = seed % 3 == 0
        golden = run_golden(network, inputs, steps, record=True, endless=endless)
        for item in range(batch):
            plain = run_reference(network, {name: values[item] for name, values in inputs.items()}, steps, endless=endless)
            for p in network.populations:
                np.testing.assert_array_equal(golden.membranes[p.name][item], plain.membranes[p.name])
                np.testing.assert_array_equal(golden.spikes[p.name][item], plain.spikes[p.name])
                np.testing.assert_array_equal(golden.clamps[p.name][item].sum(axis=-1), plain.clamps[p.name])


def _compare(form: str) -> None:
    from ranvier.sim.simulator import Simulator
    from ranvier.verify.campaign import _read_back, draw_case
    from ranvier.verify.evidence import check_batch
    from ranvier.verify.fabrics import CampaignFabric
    config = _fabric()
    with Simulator(config, technology=CampaignFabric(config, form, {}).technology) as simulator:
        for seed in range(NETWORKS):
            placement, inputs, steps, endless = draw_case(seed, config)
            simulator.load(placement)
            check = check_batch(placement, simulator, inputs, steps, endless=endless)
            wrong = check.mismatch or _read_back(np.random.default_rng(seed), placement, simulator)[1]
            assert wrong is None, f"seed {seed}: {wrong}"


def frozen(form: str) -> None:
    import ranvier.sim.simulator as simulator
    simulator.build_library = lambda *_, **__: Path(os.environ["RANVIER_FROZEN"]) / f"{form}.so"
    _compare(form)


def _verilog(form: str) -> str:
    from ranvier.sim.verilate import fabric_verilog
    from ranvier.verify.fabrics import CampaignFabric
    config = _fabric()
    return fabric_verilog(config, CampaignFabric(config, form, {}).technology)


def fabric(form: str) -> None:
    if _verilog(form) == (Path(os.environ["RANVIER_FROZEN"]) / f"{form}.v").read_text():
        print("the same Verilog")
        return
    _compare(form)


def freeze(form: str, folder: str) -> None:
    from ranvier.sim.verilate import build_library
    from ranvier.verify.fabrics import CampaignFabric
    config = _fabric()
    library = build_library(config, technology=CampaignFabric(config, form, {}).technology)
    Path(folder, f"{form}.v").write_text(_verilog(form))
    unfinished = Path(folder, f"{form}.unfinished")
    unfinished.write_bytes(library.read_bytes())
    unfinished.rename(Path(folder, f"{form}.so"))    # which says that all is there


def device() -> None:
    from ranvier.device import Device
    from ranvier.model.run.golden import run_golden
    from ranvier.verify.line_faults import FAULT_DEVICE, run_line_faults
    from ranvier.verify.random_networks import random_inputs, random_network
    tally = run_line_faults(150, seed=3, noise_bytes=3000)
    assert not tally.failures, tally.failures[0]
    rng = np.random.default_rng(1)
    with Device.open("rtl:", config=FAULT_DEVICE) as opened:
        network = random_network(rng, FAULT_DEVICE.fabric, max_neurons=4, max_hidden=1, max_inputs=1, max_readouts=1)
        opened.load(network)
        inputs = random_inputs(rng, network, 3, 4, per_step=False)
        found = opened.run(inputs, 4)
        golden = run_golden(network, inputs, 4)
        for name, values in golden.readouts.items():
            np.testing.assert_array_equal(found.readouts[name], values)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
