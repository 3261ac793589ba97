"""The tracking example in the RTL: 50 crops of moving blobs, 20 frames each."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier import load_network
from tests.examples.moving_blobs import tank
from tests.examples.test_tracking import TRACKING, follow_fish, following

pytestmark = pytest.mark.verify

CROPS = 50


@pytest.mark.whole
def test_crops_are_equal_in_the_rtl(tmp_path: Path) -> None:
    network = load_network(TRACKING / "fish.ranvier")
    quarter, _ = tank(11, 60, 234, 290, 20)
    found = follow_fish.compare(network, following.events(quarter), CROPS, tmp_path)
    print(f"\n{CROPS} crops of {found['steps']} frames: {found['differing']} differing words, {found['clocks'] / CROPS:,.0f} clocks a crop")
    assert (found["samples"], found["differing"]) == (CROPS, 0), found
    assert found["heat"]
