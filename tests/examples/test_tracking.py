"""The tracking example without its videos: moving blobs through encoder, shipped network, peaks and links; its data are checked first."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from ranvier import RanvierError, load_network
from ranvier.model.network.network import Network
from tests.examples.moving_blobs import tank

TRACKING = Path(__file__).resolve().parents[2] / "examples" / "tracking"


def _load(name: str) -> ModuleType:
    """Import a module of the example from its path, under its own name, as its other modules do."""
    spec = importlib.util.spec_from_file_location(name, TRACKING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fish, following = _load("fish"), _load("following")
follow_fish = _load("follow_fish")


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(TRACKING / "fish.ranvier")


def test_an_event_has_its_sign_and_stands_for_four_pixels() -> None:
    frames = np.full((4, 6, 8), 100, np.uint8)
    frames[1:, 2, 5] = 150      # once brighter
    frames[2:, 5, 0] = 60       # once darker; 60 is more than one threshold away, and one event a frame is sent
    seen = following.events(frames)
    assert seen.shape == (4, 3, 4, 2)
    assert seen.dtype == np.uint8
    assert sorted(map(tuple, np.argwhere(seen))) == [(1, 1, 2, 0), (2, 1, 2, 0), (2, 2, 0, 1), (3, 2, 0, 1)]


def test_a_map_is_put_together_from_the_quarters_of_its_cells() -> None:
    heat = np.arange(2 * 3 * 4).reshape(1, -1)
    assert following.unfolded(heat, (2, 3, 4))[0].tolist() == [
        [0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11], [12, 13, 16, 17, 20, 21], [14, 15, 18, 19, 22, 23]]


@pytest.mark.parametrize("place", [(40.0, 60.0), (41.3, 58.2), (43.9, 66.6)])
def test_a_peak_lies_between_the_values_of_the_map(place: tuple[float, float]) -> None:
    y, x = (np.arange(n) * following.PITCH + following.FIRST for n in (30, 40))
    heat = np.exp(-((y[:, None] - place[0]) ** 2 + (x[None] - place[1]) ** 2) / (2 * 5.0 ** 2))
    found = following.peaks(np.rint(100 * heat), 50)
    assert len(found) == 1
    assert np.abs(found[0] - place).max() < 1


def test_a_plateau_is_one_peak_and_a_low_one_is_none() -> None:
    heat = np.zeros((12, 12))
    heat[4:6, 4] = 9
    heat[10, 10] = 3
    assert len(following.peaks(heat, 4)) == 1
    assert len(following.peaks(heat, 3)) == 2


def test_identities_follow_the_nearest_as_a_whole() -> None:
    """Two that come close: each keeps its name, also where a greedy choice would take the nearest for the first."""
    positions = [np.array([[0.0, 0.0], [0.0, 10.0]]), np.array([[0.0, 9.0], [0.0, 19.0]])]
    tracks = following.link(positions, animals=2, sure=1)
    assert [{name: place.tolist() for name, place in frame.items()} for frame in tracks] == [
        {0: [0.0, 0.0], 1: [0.0, 10.0]}, {0: [0.0, 9.0], 1: [0.0, 19.0]}]


def test_a_fish_without_events_stays_until_its_name_is_needed() -> None:
    here, there, none = np.array([[5.0, 5.0]]), np.array([[200.0, 200.0]]), np.zeros((0, 2))
    tracks = following.link([here, here, none, none, there, there, there], animals=1, patience=4, sure=2)
    assert [{name: place.tolist() for name, place in frame.items()} for frame in tracks] == [
        {}, {0: [5.0, 5.0]}, {0: [5.0, 5.0]}, {0: [5.0, 5.0]}, {0: [5.0, 5.0]}, {}, {0: [200.0, 200.0]}]


def test_a_score_counts_what_is_found_false_and_switched() -> None:
    a, b, far = np.array([0.0, 0.0]), np.array([0.0, 50.0]), np.array([0.0, 300.0])
    truth = [{0: a, 1: b}, {0: a, 1: b, -1: far}]
    found = following.score([{0: a, 1: b + (0, 3)}, {1: a, 0: b + (0, 13)}], truth)
    assert (found.reference, found.found, found.false, found.switches) == (5, 3, 1, 1)
    assert found.distances == [0, 3, 0]
    row = found.to_json(30)
    assert row == {"found": 0.6, "precision": 0.75, "median_error": 0.0, "switches_a_minute": 900.0}


def test_every_reference_position_counts_with_an_identity_or_without() -> None:
    rng = np.random.default_rng(3)
    positions = [rng.uniform(0, 400, (5, 2)) for _ in range(6)]
    named = following.named(positions, 3)
    assert [sorted(map(tuple, frame.values())) for frame in named] == [sorted(map(tuple, frame)) for frame in positions]
    assert all(sum(name >= 0 for name in frame) <= 3 for frame in named)
    assert any(name < 0 for frame in named for name in frame)


def test_blobs_in_frames_are_the_reference() -> None:
    """A large dark blob that moves is found at its centre; a small one and a faint one are none."""
    half = np.full((20, 60, 80), 150, np.uint8)
    for t, frame in enumerate(half):
        frame[10:18, 3 * t:3 * t + 8] = 60
        frame[40:45, 3 * t:3 * t + 7] = 60      # 35 pixels
        frame[50:58, 3 * t:3 * t + 8] = 115     # 35 darker
    assert [found.tolist() for found in fish.reference(half)] == [[[13.5, 3 * t + 3.5]] for t in range(20)]


def test_the_shipped_network_follows_moving_blobs(network: Network) -> None:
    """All of the way, in the golden model: nearly all are found where they are, and keep their names."""
    quarter, truth = tank(5, 40, 120, 160, 4)
    seen = following.events(quarter)
    heat = following.heat_of(following.resized(network, *seen.shape[1:3]), seen)
    found = [following.peaks(step, follow_fish.threshold_of(network)) for step in heat]
    tracks = following.link(found, animals=4)
    late = following.score(tracks[10:], following.named(truth, 4)[10:])
    row = late.to_json(fish.RATE)
    print(row)
    assert row["found"] >= 0.9
    assert row["median_error"] <= 4
    assert late.switches <= 1
    # The network makes the difference: without events nothing is found.
    still = following.heat_of(following.resized(network, *seen.shape[1:3]), np.zeros_like(seen[:8]))
    assert not any(len(following.peaks(step, follow_fish.threshold_of(network))) for step in still)


def test_crops_are_equal_in_the_rtl(network: Network, tmp_path: Path) -> None:
    """The shipped kernels and neurons on 16 x 16 input pixels: every word, counter and clock of 4 windows of 20 frames."""
    quarter, _ = tank(2, 20, 64, 64, 4)
    found = follow_fish.compare(network, following.events(quarter), 4, tmp_path)
    assert (found["samples"], found["differing"]) == (4, 0), found
    assert found["heat"]


def test_the_busiest_crops_are_taken() -> None:
    seen = np.zeros((45, 40, 36, 2), np.uint8)
    seen[25, 17:30, 3, 1] = 1
    seen[5, 1, 20:23, 0] = 1
    found = follow_fish.busiest(seen, 2)
    assert found.shape == (2, 20, 16, 16, 2)
    assert np.argwhere(found).tolist() == [[0, 5, row, 3, 1] for row in range(1, 14)] + [[1, 5, 1, column, 0] for column in range(4, 7)]


def test_the_network_fits_a_ulx3s(network: Network) -> None:
    """By mapper and memories' count, which `fabric_for` checks."""
    assert network.by_name["events"].shape == (117, 145, 2)
    assert follow_fish.fabric_for(network).cores == 1


def test_results_have_a_row_for_each_way(network: Network) -> None:
    """The whole table on a synthetic video of the real one's size."""
    quarter, truth = tank(1, 12, 234, 290, 8)
    video = fish.Video(np.zeros((12, 469, 580), np.uint8), quarter, fish.RATE)
    found = follow_fish.results(video, truth, network, onnx.load(TRACKING / "frames.onnx"))
    assert len(found["rows"]) == 6
    assert all(len(follow_fish.cells(name, row)) == len(follow_fish.HEADER) for name, row in found["rows"].items())
    assert found["rows"]["the same network on frames, conventional"]["found"] > 0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache"


def _refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["follow_fish.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        follow_fish.main()
    assert stopped.value.code == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    return output.err


def test_a_missing_wheel_is_named(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = _refused(capsys, monkeypatch, "--wheel", str(tmp_path / "none.whl"), "-o", str(tmp_path / "out"))
    assert re.search(r"none.whl: No such file.*idtrackerai==6.0.14 \(6 MB, GPL-3.*pip download --no-deps idtrackerai==6.0.14", words)
    assert not (tmp_path / "out").exists()


def test_of_another_wheel_nothing_is_unpacked(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("the archive was opened")

    monkeypatch.setattr(fish.zipfile, "ZipFile", opened)
    wheel = tmp_path / fish.WHEEL_NAME
    wheel.write_bytes(b"PK another archive")
    words = _refused(capsys, monkeypatch, "--wheel", str(wheel), "-o", str(tmp_path / "out"))
    assert "SHA-256" in words
    assert "nothing was unpacked" in words
    assert not cache.exists()


def test_a_video_is_decoded_to_half_and_quarter(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "small.avi"
    frames = np.random.default_rng(0).integers(0, 2, (5, 5, 8), np.uint8).repeat(16, 1).repeat(16, 2) * 200
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (128, 80), False)
    for frame in frames:
        writer.write(frame)
    writer.release()
    video = fish.decode(path)
    assert (video.half.shape, video.quarter.shape, video.rate) == ((5, 40, 64), (5, 20, 32), 25)
    assert np.abs(video.quarter[:, 2::4, 2::4].astype(int) - frames[:, 8::16, 8::16]).max() < 12


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0\0\0AVI no video at all"])
def test_what_is_no_video_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    with pytest.raises(RanvierError, match=r"bad.avi: the video cannot be decoded, 0 frames were read"):
        fish.decode(path)
