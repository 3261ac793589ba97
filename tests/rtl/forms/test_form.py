"""Forms: what goes together, where they come from, and that any of them gives the model's words in the model's clocks."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.rtl.forms.form import FORMS, LOGIC_CELLS, ROUTED, SIMULATION, Form, drawn_form, form_of
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, ECP5, GENERIC, SIMULATED, UP5K, platform_form
from ranvier.sim.simulator import Simulator
from ranvier.verify.campaign import draw_case
from ranvier.verify.evidence import check_batch

RTL = Path(__file__).resolve().parents[3] / "rtl"
DEEP = {"program_depth": 256, "row_depth": 64, "weight_depth": 2048, "state_depth": 128, "drive_depth": 128, "dynamics_depth": 128,
        "readout_depth": 64}


def fabric(cores: int) -> FabricConfig:
    """Small, but with several words to a row and groups to a word."""
    return FabricConfig(
        cores=cores, core=CoreConfig(lanes=8, sweep_lanes=2, **DEEP), word_bits=16, spike_depth=1024, levels=24, queue_depth=3,
        input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=128, drive_depth=128, dynamics_depth=128))


@pytest.mark.parametrize(("changes", "message"), [
    ({"read_ahead": False}, "form: late_memories needs read_ahead: set read_ahead, or late_memories to False"),
    ({"answer_registers": False}, "form: late_memories needs answer_registers"),
    ({"late_memories": False}, "form: sliced_scan needs late_memories"),
])
def test_what_does_not_go_together_is_refused(changes: dict[str, bool], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        Form(**changes)


def test_drawn_forms_are_valid_and_have_each_decision_both_ways() -> None:
    rng = np.random.default_rng(1)
    for forms in ([drawn_form(rng) for _ in range(200)], FORMS):
        for field in fields(Form):
            assert {getattr(form, field.name) for form in forms} == {False, True}, field.name
    assert len(set(FORMS)) == len(FORMS)


def test_boards_have_their_forms() -> None:
    assert form_of(ECP5) is form_of(GENERIC) is platform_form(None) is ROUTED
    assert form_of(UP5K) is form_of(CHECKED_UP5K) is LOGIC_CELLS
    assert form_of(SIMULATED) is SIMULATION
    assert platform_form(replace(UP5K, form=ROUTED)) is ROUTED


def test_only_forms_and_storage_know_technologies() -> None:
    """Every other block asks `platform_form` for its form, and that for the decision."""
    asks = re.compile(r"technology_of\(|lut_before_register")
    knows = {str(path.relative_to(RTL)) for path in RTL.rglob("*.py") if asks.search(path.read_text())}
    assert {name for name in knows if not name.startswith("forms/")} == {"memory/storage.py"}


@pytest.mark.parametrize(("form", "cores"), [(FORMS[2], 1), (FORMS[3], 2)], ids=["late and moving", "early and registered"])
def test_mixed_forms_are_the_model(form: Form, cores: int) -> None:
    """Decisions that no board has together: random networks in words, counters and clocks."""
    config = fabric(cores)
    with Simulator(config, technology=replace(CHECKED, form=form)) as made:
        for seed in range(25):
            placement, inputs, steps, endless = draw_case(seed, config)
            made.load(placement)
            check = check_batch(placement, made, inputs, steps, endless=endless)
            assert check.mismatch is None, f"seed {seed}: {check.mismatch}"
