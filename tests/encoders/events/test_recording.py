"""Recordings from arrays and files; what is out of order, outside, or no recording at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.encoders import events
from ranvier.model.errors import RanvierError
from tests.encoders.oracles.draws import events as recordings

CASES = Path(__file__).resolve().parents[2] / "cases" / "encoders"
COLUMNS: dict[str, Any] = {"t": [1, 5, 5, 9], "x": [0, 3, 2, 1], "y": [0, 1, 4, 1], "p": [0, 1, 1, 0]}


def _rows(recording: events.Recording) -> list[tuple[int, ...]]:
    return [tuple(row) for row in recording.events.tolist()]


def test_size_is_what_the_events_need() -> None:
    recording = events.make_events(**COLUMNS)
    assert recording.sensor_size == (4, 5, 2)
    assert _rows(recording) == list(zip(*COLUMNS.values(), strict=True))
    assert events.make_events([], [], [], []).sensor_size == (1, 1, 2)


def test_polarities_of_minus_one_become_zero() -> None:
    recording = events.make_events([0, 1], [0, 0], [0, 0], [-1, 1])
    assert recording.events["p"].tolist() == [0, 1]


@pytest.mark.parametrize("form", ["fields.npy", "columns.npy", "columns.npz", "four.npz", "other_names.npz", "fields.npz"])
def test_files_of_arrays(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    fields = np.zeros(4, [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    for name, column in COLUMNS.items():
        fields[name] = column
    columns = np.array(list(COLUMNS.values())).T
    if path.suffix == ".npy":
        np.save(path, fields if form.startswith("fields") else columns)
    elif form == "four.npz":
        np.savez(path, **{name: np.array(column) for name, column in COLUMNS.items()})
    elif form == "other_names.npz":
        np.savez(path, timestamp=COLUMNS["t"], x=COLUMNS["x"], y=COLUMNS["y"], polarity=COLUMNS["p"])
    else:
        np.savez(path, events=fields if form.startswith("fields") else columns)
    assert _rows(events.load_events(path)) == list(zip(*COLUMNS.values(), strict=True))


def test_aedat4() -> None:
    """A recording that iniVation's library wrote, see oracles/aedat4.py."""
    case = next(recordings())
    recording = events.load_events(CASES / "small.aedat4")
    assert recording.sensor_size == case.sensor_size
    for name, column in case.columns.items():
        assert recording.events[name].tolist() == column.tolist()


def test_the_reader_of_aedat4_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(RanvierError, match=r"small.aedat4: reading AEDAT4 needs the aedat package; pip install 'ranvier\[events\]'$"):
        events.load_events(CASES / "small.aedat4")


@pytest.mark.parametrize(("changes", "message"), [
    ({"t": [1, 5, 4, 9]}, "event 2: its time 4 lies before 5, that of the event before; sort the events by time"),
    ({"sensor_size": (3, 5, 2)}, "event 1: x is 3, outside of the sensor's 0 to 2"), ({"y": [0, 1, -1, 1]}, "event 2: y is -1, outside"),
    ({"sensor_size": (4, 5, 1)}, "event 1: p is 1, outside of the sensor's 0 to 0"), ({"x": [0, 3, 2]}, "4 t, 3 x, 4 y, 4 p; give as many"),
    ({"t": [0.5, 1, 2, 3]}, "t holds numbers that are not whole"), ({"t": [0, 1, 2, float("nan")]}, "t holds numbers that are not whole"),
    ({"p": ["a"] * 4}, "p has the shape"), ({"x": [[0, 3, 2, 1]]}, "x has the shape"), ({"t": [0, 1, 2, 1e300]}, "beyond 62 bits"),
    ({"sensor_size": (0, 5, 2)}, "a sensor of"), ({"sensor_size": (4, 5)}, "a sensor of")])
def test_bad_events(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RanvierError, match=f"^events: .*{message}"):
        events.make_events(**{**COLUMNS, **changes})


def test_every_cut_of_a_file_is_one_line(tmp_path: Path) -> None:
    fields = np.zeros(4, events.DTYPE)
    for name, column in COLUMNS.items():
        fields[name] = column
    np.save(tmp_path / "whole.npy", fields)
    for name, whole in (("cut.npy", (tmp_path / "whole.npy").read_bytes()), ("cut.aedat4", (CASES / "small.aedat4").read_bytes())):
        path = tmp_path / name
        for length in range(0, len(whole), 1 if name == "cut.npy" else 29):
            path.write_bytes(whole[:length])
            try:
                found = events.load_events(path)
            except RanvierError as error:
                assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            else:
                # AEDAT4 ends in a table that readers do without.
                assert name == "cut.aedat4" and len(found.events) == len(next(recordings()).columns["t"])


def test_objects_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"t": 1}], object))
    with pytest.raises(RanvierError, match="not a plain numeric array"):
        events.load_events(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(2, [("t", "O"), ("x", "i4")]))
    with pytest.raises(RanvierError, match="no list of events"):
        events.load_events(tmp_path / "b.npy")


@pytest.mark.parametrize(("arrays", "message"), [
    ({"t": [1], "x": [1], "y": [1]}, "there is no p among t, x, y"), ({"a": [[1, 2, 3]]}, "give four columns t, x, y, p")])
def test_files_without_events(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **{name: np.array(value) for name, value in arrays.items()})
    with pytest.raises(RanvierError, match=message):
        events.load_events(tmp_path / "a.npz")
    with pytest.raises(RanvierError, match="no such file"):
        events.load_events(tmp_path / "none.aedat4")
