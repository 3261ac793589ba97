"""Spoken digits in RTL: the shipped network on the fabric of an iCEBreaker, every word, counter and clock as in the model.

The clips are the official test set's where `RANVIER_FSDD` names the recordings, and always the synthetic ones, each also three times as
loud with noise and played backwards, so that there are 60 without any recordings.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ranvier import map_network, run_rtl_set

SPEECH = Path(__file__).resolve().parents[2] / "examples" / "speech"

pytestmark = pytest.mark.verify

#: Recordings that the RTL runs beside the synthetic clips.
RECORDINGS = 100


def test_spoken_digits(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SPEECH))
    for name in ("run", "fsdd", "front_end"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import front_end
    import fsdd
    import run
    synthetic = fsdd.load(SPEECH / "synthetic.npz")
    rng = np.random.default_rng(20)
    clips = [*synthetic.clips, *(clip[::-1] for clip in synthetic.clips),
             *(np.clip(3 * clip.astype(int) + rng.integers(-300, 301, len(clip)), -32768, 32767) for clip in synthetic.clips)]
    named = os.environ.get(fsdd.VARIABLE)
    if named:
        recordings = fsdd.load(named)
        tested = recordings.part(recordings.official).clips
        clips += tested[::max(1, len(tested) // RECORDINGS)]
    clips = clips[::max(1, round(1 / share))]
    spikes, network = front_end.encode(clips), run.network_of()
    result = run_rtl_set(map_network(network, run.fabric_of(network)), spikes, front_end.STEPS, encoded=True, folder=tmp_path / "mismatch")
    assert result.mismatch is None, str(result.mismatch)
    assert result.samples == len(clips) and np.ptp(result.readouts, axis=0).any()
    clocks = result.clocks / len(clips) / front_end.STEPS
    print(f"\n{len(clips)} clips x {front_end.STEPS} steps: 0 mismatches, clocks: {clocks:,.0f} a step"
          + ("" if named else f"; no recordings, {fsdd.VARIABLE} is not set"))
