"""Samples as people have them: formats, names, kinds of labels, ranges."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.files.input_mapping import input_mapping_of
from ranvier.files.samples import DUST, Samples, load_pictures, load_samples, quantise_samples
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population

VALUES = np.arange(24, dtype=np.uint8).reshape(6, 4) * 10
CLASSES = np.array([0, 2, 1, 1, 0, 2])


def npz(folder: Path, **arrays: Any) -> Path:
    path = folder / "s.npz"
    np.savez(path, **arrays)
    return path


def text(folder: Path, content: str, name: str = "s.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    return path


def refused(path: Path, size: int = 4, **keys: Any) -> str:
    with warnings.catch_warnings(), pytest.raises(RanvierError) as caught:
        warnings.simplefilter("error")
        load_samples(path, size, **keys)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable()
    return message


def holds(samples: Samples, values: Any = VALUES, labels: Any = CLASSES) -> bool:
    assert (samples.labels is None) == (labels is None)
    assert labels is None or samples.labels is not None and samples.labels.tolist() == np.asarray(labels).tolist()
    return np.array_equal(samples.values, values)


@pytest.mark.parametrize(("samples", "labels"), [
    ("pictures", "labels"), ("samples", "labels"), ("X", "y"), ("X", "Y"), ("x", "y"), ("x_test", "y_test"), ("X_test", "y_test"),
    ("images", "targets"), ("images", "labels"), ("test_images", "test_labels"), ("data", "target"), ("inputs", "targets"),
    ("arr_0", "arr_1"), ("arr_1", "arr_0"), ("pixels", "digit"), ("digit", "pixels")])
def test_names_that_people_give(tmp_path: Path, samples: str, labels: str) -> None:
    found = load_samples(npz(tmp_path, **{labels: CLASSES, samples: VALUES.reshape(6, 2, 2)}), 4)
    assert holds(found) and found.source.endswith(f"s.npz: {samples}") and found.labels_source.endswith(f"s.npz: {labels}")
    assert found.values.dtype == np.uint8 and found.kind == "integer" and (found.low, found.high) == (0, 230)


def test_the_test_part_of_a_file_that_has_both(tmp_path: Path) -> None:
    path = npz(tmp_path, x_train=VALUES[::-1], y_train=CLASSES[::-1], x_test=VALUES, y_test=CLASSES)
    assert holds(load_samples(path, 4))
    assert holds(load_samples(path, 4, samples_key="x_train"), VALUES[::-1], CLASSES[::-1])
    assert holds(load_samples(path, 4, samples_key="x_train", labels_key="y_test"), VALUES[::-1], CLASSES)


@pytest.mark.parametrize(("arrays", "keys", "words"), [
    ({"X": VALUES, "x_test": VALUES}, {}, "X, x_test: each could be the samples; name one with --samples"),
    ({"a": VALUES, "b": VALUES}, {}, "a, b fit a network of 4 inputs"),
    ({"a": VALUES[:, :3], "b": VALUES[:, :2]}, {}, "none of a, b has shape (n, 4)"),
    ({"X": VALUES}, {"samples_key": "Z"}, "--samples Z: there is no array of that name; there are X"),
    ({"X": VALUES}, {"labels_key": "Z"}, "--labels Z"),
    ({"X": VALUES, "y": CLASSES[:5]}, {}, "y: labels of shape (5,); they must be 6 numbers"),
    ({"X": VALUES, "y": np.full(6, np.nan)}, {}, "y: a label is NaN"),
    ({"X": VALUES, "y": np.eye(6)[:, :3]}, {}, "or one-hot rows"),
    ({"X": VALUES, "y": np.full(6, 2**64 - 1, np.uint64)}, {}, "no class number"),
    ({"X": VALUES * np.nan}, {}, "NaN or infinite"),
])
def test_what_is_left_open_is_refused(tmp_path: Path, arrays: dict[str, Any], keys: dict[str, str], words: str) -> None:
    assert words in refused(npz(tmp_path, **arrays), **keys)


def test_ids_beside_samples_of_a_known_name_are_no_labels(tmp_path: Path) -> None:
    assert holds(load_samples(npz(tmp_path, X=VALUES, ids=np.arange(6)), 4), labels=None)
    assert holds(load_samples(npz(tmp_path, X=VALUES, ids=np.arange(6)), 4, labels_key="ids"), labels=np.arange(6))


@pytest.mark.parametrize("labels", [
    CLASSES.astype(np.float32), CLASSES.astype(np.float16), CLASSES + 1e-9, CLASSES[:, None], np.eye(3)[CLASSES],
    np.eye(3, dtype=bool)[CLASSES],
    np.eye(3, dtype=np.int64)[CLASSES], np.eye(3, dtype=np.float16)[CLASSES], np.eye(3)[CLASSES] + 1e-9, CLASSES.astype(np.uint64)])
def test_labels_that_are_whole(tmp_path: Path, labels: Any) -> None:
    found = load_samples(npz(tmp_path, X=VALUES, y=labels), 4)
    assert holds(found) and found.labels is not None and found.labels.dtype == np.int64


def test_bool_labels_and_targets_of_a_regression(tmp_path: Path) -> None:
    assert holds(load_samples(npz(tmp_path, X=VALUES, y=CLASSES > 0), 4), labels=[0, 1, 1, 1, 0, 1])
    found = load_samples(npz(tmp_path, X=VALUES, y=CLASSES - 0.25), 4)
    assert holds(found, labels=CLASSES - 0.25) and found.labels is not None and found.labels.dtype == np.float64


def test_kinds_of_values(tmp_path: Path) -> None:
    for dtype, kind, kept in ((bool, "bool", np.uint8), (np.int16, "integer", np.int16), (np.float16, "float", np.float64),
                              (np.float32, "float", np.float64), (np.float64, "float", np.float64)):
        found = load_samples(npz(tmp_path, X=(VALUES > 70).astype(dtype)), 4)
        assert (found.kind, found.values.dtype, found.low, found.high) == (kind, kept, 0, 1)
    pictures, _ = load_pictures(npz(tmp_path, X=VALUES > 70), 4)
    assert np.array_equal(pictures, (VALUES > 70) * 255)       # true is full scale, not 1 of 255


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(VALUES))
    np.save(tmp_path / "y.npy", CLASSES)
    assert holds(load_samples(tmp_path / "x.npy", 4), labels=None)
    found = load_samples(tmp_path / "x.npy", 4, labels_key=str(tmp_path / "y.npy"))
    assert holds(found) and found.labels_source == str(tmp_path / "y.npy")
    assert "--labels names the npy file" in refused(tmp_path / "x.npy", labels_key="y")
    assert "leave --samples out" in refused(tmp_path / "x.npy", samples_key="x")
    np.save(tmp_path / "o.npy", np.array([print]), allow_pickle=True)
    assert "not a plain numeric array" in refused(tmp_path / "o.npy")


HEAD = "a,b,c,d,Label\n"
ROWS = "1,2,3,4,0\n5,6,7,255,1\n"


@pytest.mark.parametrize(("content", "labels_key"), [
    (HEAD + ROWS, None), (HEAD + ROWS, "Label"), (HEAD + ROWS, "4"), (ROWS, "4"), (ROWS, "-1"),
    ("\ufeff" + HEAD + ROWS.replace("\n", "\r\n"), None),
    (HEAD.replace(",", ";") + ROWS.replace(",", ";"), None), (HEAD.replace(",", "\t") + ROWS.replace(",", "\t"), None),
    ('"a","b","c","d","target"\n"1","2","3","4","0"\n5,6,7,255,1', None), ("\n" + HEAD + ROWS + "\n\n", None),
    ("y,a,b,c,d\n0,1,2,3,4\n1,5,6,7,255\n", None)])
def test_tables(tmp_path: Path, content: str, labels_key: str | None) -> None:
    found = load_samples(text(tmp_path, content), 4, labels_key=labels_key)
    assert holds(found, [[1, 2, 3, 4], [5, 6, 7, 255]], [0, 1]) and found.kind == "integer"


def test_tables_of_floats_without_labels(tmp_path: Path) -> None:
    found = load_samples(text(tmp_path, "0.5,1,0,1e-3\n0,0,1,0\n"), 4)
    assert holds(found, [[0.5, 1, 0, 1e-3], [0, 0, 1, 0]], None) and found.kind == "float"
    assert len(load_samples(text(tmp_path, "0.5,1,0,1e-3\n0,0,1,0\nx,y,z,t\n"), 4, limit=2).values) == 2


@pytest.mark.parametrize(("content", "keys", "words"), [
    ("1,2,3,4,5\n", {}, "--labels 0 for the first, --labels 4 for the last"),
    ("a,b,c,d,e\n1,2,3,4,5\n", {}, "--labels a for the first, --labels e for the last"),
    ("1,2,3\n", {}, "3 columns; the network takes 4 values"),
    ("a,b,c,d,e,label\n1,2,3,4,5,6\n", {}, "6 columns, one of them the labels; the network takes 4"),
    ("a,b,c,y,label\n1,2,3,4,5\n", {}, "y, label could all be the labels"),
    (HEAD + "1,2,3,4,setosa\n", {}, "every value must be a number"),
    (HEAD + "1,2,3\n", {}, "columns"),
    (HEAD + "1,2,3,4,0\n1,2,3,4\n", {}, "columns"),
    (HEAD, {}, "no data"),
    (HEAD + ROWS, {"labels_key": "z"}, "--labels z: there is no such column; there are a, b, c, d, Label"),
    (ROWS, {"labels_key": "9"}, "give a number from 0 to 4"),
    (HEAD + ROWS, {"samples_key": "a"}, "leave --samples out"),
    (HEAD + "1,2,3,4,nan\n", {}, "a label is NaN"),
    (HEAD + "inf,2,3,4,1\n", {}, "NaN or infinite"),
    ("", {}, "no table"), (ROWS.replace("3", "\udcff"), {}, "no text in UTF-8"), ("\0,1,2,3\n", {}, "no table"),
    ('"a', {}, "no line of a table"),
])
def test_bad_tables(tmp_path: Path, content: str, keys: dict[str, str], words: str) -> None:
    assert words in refused(text(tmp_path, content), **keys)


def test_pickles_are_refused_by_name_and_by_content(tmp_path: Path) -> None:
    for name in ("x.pkl", "x.dat", "x.csv"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(VALUES))
        assert "pickle can run code; save with numpy.savez" in refused(path)
    (tmp_path / "x.bin").write_bytes(b"\1\2\3")
    assert "no npz, npy or csv file" in refused(tmp_path / "x.bin")


def test_damaged_files_are_samples_or_one_line(tmp_path: Path) -> None:
    """Valid files with bytes changed, cut out and put in: 600 cases. No other exception, no warning."""
    np.savez(tmp_path / "a.npz", first=VALUES / 255, second=np.eye(3)[CLASSES])
    np.save(tmp_path / "b.npy", VALUES)
    text(tmp_path, HEAD + ROWS * 3, "c.csv")
    rng = np.random.default_rng(0)
    read = 0
    for name in ("a.npz", "b.npy", "c.csv"):
        good = (tmp_path / name).read_bytes()
        path = tmp_path / f"hostile{Path(name).suffix}"
        for _ in range(200):
            data = bytearray(good)
            for at in rng.integers(0, len(good), rng.integers(1, 4)):
                data[at:at + int(rng.integers(0, 3))] = rng.bytes(int(rng.integers(0, 3))) if rng.random() < 0.5 else bytes(
                    rng.choice(list(b'0123456789.,;-eE"\n\r\t x'), int(rng.integers(0, 3))).tolist())
            path.write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    samples = load_samples(path, 4)
                except RanvierError as error:
                    assert str(error).startswith(f"{path}: ") and str(error).isprintable() and len(str(error)) < 1000
                else:
                    read += 1
                    assert samples.values.shape[1] == 4 and np.isfinite([samples.low, samples.high]).all()
    assert 20 < read < 580


def test_a_limit_leaves_out_the_rest(tmp_path: Path) -> None:
    assert holds(load_samples(npz(tmp_path, X=np.append(VALUES / 255.0, [[np.nan] * 4], axis=0), y=np.append(CLASSES, 9)), 4, limit=6),
                 VALUES / 255)


def test_quantising() -> None:
    assert quantise_samples(np.array([-1.0, 0, 1, 0.5]), -1, 1, 8).tolist() == [0, 128, 255, 191]
    assert quantise_samples(np.arange(17), 0, 16, 8).tolist() == [round(n * 255 / 16) for n in range(17)]
    wide = quantise_samples(np.array([[0.0, 1.0]], np.float32), 0, 1, 10)
    assert wide.dtype == np.uint16 and wide.tolist() == [[0, 1023]]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise_samples(every, 0, 255, 8), every)
    # More values than are converted at a time.
    many = np.random.default_rng(0).random((3, 500_000))
    assert np.array_equal(quantise_samples(many, 0, 1, 8), np.rint(many * 255))


def test_dust_is_clipped_and_more_is_not() -> None:
    dusty = np.array([1.0000002, -1e-9, 0.5], np.float32)
    assert quantise_samples(dusty, 0, 1, 8).tolist() == [255, 0, 128]
    assert quantise_samples(np.array([1 + 0.9 * DUST, -0.9 * DUST]), 0, 1, 16).tolist() == [65535, 0]
    for value in (1 + 1.1 * DUST, -1.1 * DUST):
        with pytest.raises(RanvierError, match="--input-range"):
            quantise_samples(np.array([value]), 0, 1, 8)


@pytest.mark.parametrize(("values", "bounds", "words"), [
    (np.array([-0.42, 2.82]), (0, 1),
     "floats from -0.42 to 2.82; the network's inputs take 0 to 1: .* --input-range LOW HIGH.*--mean and --std"),
    (np.array([0, 300]), (0, 255), "values from 0 to 300; the network's inputs take 0 to 255: .*--input-range LOW HIGH"),
    (np.array([0, np.nan]), (0, 1), "NaN or infinite"),
    (np.array([0.0]), (1, 1), "the lower first"),
    (np.array(["a"]), (0, 1), "type <U1"),
])
def test_what_does_not_fit_a_range(values: Any, bounds: tuple[float, float], words: str) -> None:
    with pytest.raises(RanvierError, match=words):
        quantise_samples(values, *bounds, 8)


@pytest.mark.parametrize(("record", "words"), [
    ({"range": [0, 20], "mean": [0], "std": [1]}, ""),
    ({"range": [20, 0], "mean": [0], "std": [1]}, "input_range: 20, 0; it must be two numbers, the lower one first"),
    ({"range": [0, 20], "mean": [0], "std": [0]}, "std: 0; it must be above 0"),
    ({"range": [0, 20]}, "'input' must have range, mean and std; convert it again"),
    ([0, 20], "'input' must have range, mean and std; convert it again"),
])
def test_what_a_network_says_of_its_inputs(record: Any, words: str, tmp_path: Path) -> None:
    """One reader for everybody who wants a network's samples."""
    network = Network((Population("in", (1, 1, 4), "input", {"theta": 255, "v_min": 0, "v_max": 255}),), (), info={"input": record})
    path = npz(tmp_path, X=np.array([[0, 5, 10, 20]]))
    if not words:
        assert load_pictures(path, network)[0].tolist() == [[0, 64, 128, 255]]
        assert input_mapping_of(network).input_range == (0, 20)
        return
    for read in (input_mapping_of, lambda network: load_pictures(path, network)):
        with pytest.raises(RanvierError, match=re.escape(words)):
            read(network)


def test_a_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    """Among samples and among labels, of 4 bytes, which are widened."""
    bad = np.array([0x7F800001, 0], np.uint32).view(np.float32)
    good = np.zeros(2, np.float32)
    for name, values, labels in (("samples", bad, good), ("labels", good, bad)):
        np.savez(tmp_path / f"{name}.npz", samples=np.stack([values, good], axis=1), labels=labels)
        with warnings.catch_warnings(), pytest.raises(RanvierError, match="NaN or infinite"):
            warnings.simplefilter("error")
            found = load_samples(tmp_path / f"{name}.npz", 2)
            quantise_samples(found.values, 0.0, 1.0, 8)
