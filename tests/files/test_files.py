"""Network and picture files: round trips, exact bytes, and hostile content."""

from __future__ import annotations

import io
import json
import os
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.files.network import load_network, save_network
from ranvier.files.safe import write_atomic, write_json
from ranvier.files.samples import load_pictures
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from tests.strategies import random_network


def small_network(seed: int = 0, weight_bits: int = 4) -> Network:
    rng = np.random.default_rng(seed)
    bound = 1 << weight_bits - 1
    n, m = (int(x) for x in rng.integers(1, 9, 2))
    semantics = Semantics(strict=bool(rng.integers(2)), reset=str(rng.choice(["none", "subtract", "value"])), dt=1e-3)
    return Network(
        (Population("in", (1, 1, n), "input", {"theta": 255, "v_init": 127}),
         Population("a/b.c-d_e", (1, 1, m), "lif",
                    {"theta": rng.integers(1, 99, m), "k": rng.integers(0, 65537, m), "bias": -3, "v_min": -500},
                    semantics),
         Population("out", (1, 1, 2), "li", {"bias": rng.integers(-9, 9, 2)})),
        (Projection.dense("in", "a/b.c-d_e", rng.integers(-bound, bound, (n, m))),
         Projection.dense("a/b.c-d_e", "a/b.c-d_e", rng.integers(-bound, bound, (m, m)), delay=3),
         Projection.dense("a/b.c-d_e", "out", rng.integers(-bound, bound, (m, 2)), exponent=2)),
        weight_bits=weight_bits, rounding="zero", info={"source": "é.onnx", "list": [1, 2.5, None, {"a": True}]})


def described(network: Network) -> Any:
    """Everything that makes two networks equal."""
    return (
        [(p.name, p.shape, p.kind, p.semantics, sorted(p.parameters),
          [values.tolist() for values in network.parameters(p).values()]) for p in network.populations],
        [(q.source, q.destination, q.delay, q.exponent, q.stride, q.padding, q.dilation, q.groups, q.weights.tolist())
         for q in network.projections],
        (network.state_bits, network.weight_bits, network.input_bits, network.spike_bits, network.rounding),
        dict(network.info))


@pytest.mark.parametrize("weight_bits", [2, 4, 8, 16])
@pytest.mark.parametrize("seed", range(8))
def test_round_trip(tmp_path: Path, seed: int, weight_bits: int) -> None:
    network = small_network(seed, weight_bits)
    save_network(network, tmp_path / "n.ranvier")
    again = load_network(tmp_path / "n.ranvier")
    assert described(again) == described(network)
    save_network(again, tmp_path / "m.ranvier")
    assert (tmp_path / "n.ranvier").read_bytes() == (tmp_path / "m.ranvier").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.ranvier", "n.ranvier"]


def test_random_networks_round_trip(tmp_path: Path) -> None:
    for seed in range(40):
        network = random_network(np.random.default_rng(seed))
        save_network(network, tmp_path / "n.ranvier")
        assert described(load_network(tmp_path / "n.ranvier")) == described(network), seed


def put(value: Any, *keys: Any) -> Callable[[Any], None]:
    """A change of one field of the JSON."""
    def change(found: Any) -> None:
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value
    return change


def small_image_network() -> Network:
    """What only version 2 can say: a kernel with its geometry, counts, currents, and a reset in the next tick."""
    kernel = np.arange(-8, 8).reshape(2, 2, 1, 4)
    return Network(
        (Population("in", (4, 5, 2), "input", theta=9), Population("conv", (2, 3, 4), "cubalif", {"theta": np.arange(1, 5), "k_i": 9}),
         Population("out", 2, "if", semantics=Semantics(reset_moment="next_tick"))),
        (Projection.conv("in", "conv", kernel, stride=(2, 1), padding=(1, 0, 0, 0), dilation=(1, 2), groups=2),
         Projection.dense("conv", "out", np.ones((24, 2), int), 1)), 20, spike_bits=3)


def test_version_2_round_trip(tmp_path: Path) -> None:
    for seed in range(-1, 40):
        network = small_image_network() if seed < 0 else random_network(np.random.default_rng(seed), rich=True)
        save_network(network, tmp_path / "n.ranvier")
        again = load_network(tmp_path / "n.ranvier")
        assert described(again) == described(network), seed
        save_network(again, tmp_path / "m.ranvier")
        assert (tmp_path / "n.ranvier").read_bytes() == (tmp_path / "m.ranvier").read_bytes()


def version(network: Network, path: Path) -> int:
    save_network(network, path)
    with zipfile.ZipFile(path) as archive:
        return int(json.loads(archive.read("network.json"))["version"])


@pytest.mark.parametrize(("change", "expected"), [
    ({}, 1), ({"exponent": 3, "delay": 2}, 1), ({"spike_bits": 2}, 2), ({"kind": "cubalif"}, 2), ({"kind": "cubali"}, 2),
    ({"semantics": Semantics(current="before")}, 2), ({"semantics": Semantics(reset_moment="next_tick")}, 2),
    ({"semantics": Semantics(reset="value", reset_moment="old_v")}, 2), ({"shape": (1, 2, 3), "pointwise": True}, 2)])
def test_a_file_has_the_first_version_that_can_say_it(tmp_path: Path, change: dict[str, Any], expected: int) -> None:
    shape = change.get("shape", (1, 1, 3))
    ends = (Population("in", shape, "input"), Population("p", shape, change.get("kind", "if"), semantics=change.get("semantics")))
    size = 3 if change.get("pointwise") else ends[0].size
    projection = Projection.conv("in", "p", np.ones((1, 1, size, size), int), delay=change.get("delay", 0),
                                 exponent=change.get("exponent", 0))
    network = Network(ends, (projection,), spike_bits=change.get("spike_bits", 1))
    assert version(network, tmp_path / "n.ranvier") == expected


def test_the_digits_stay_the_same_bytes(tmp_path: Path) -> None:
    stored = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.ranvier"
    if not stored.is_file():
        stored = tmp_path / "first.ranvier"
        save_network(small_network(3), stored)
    save_network(load_network(stored), tmp_path / "again.ranvier")
    assert (tmp_path / "again.ranvier").read_bytes() == stored.read_bytes()


@pytest.mark.parametrize(("change", "words"), [
    (put(1, "version"), "the fields must be exactly"), (put([1], "projections", 0, "stride"), "stride: it must be a list of 2 integers"),
    (put(2, "projections", 0, "stride"), "stride: it must be a list"),
    (put([1, True], "projections", 0, "dilation"), "a list of 2 integers"),
    (put([0, 1], "projections", 0, "stride"), "stride is 0, 1; it must be 1 to"),
    (put([1, 0], "projections", 0, "dilation"), "dilation is 1, 0"),
    (put([10**30, 1], "projections", 0, "stride"), "it must be 1 to 1024"), (put([1, 1], "projections", 0, "padding"), "a list of 4"),
    (put([2, 0, 0, 0], "projections", 0, "padding"), "padding at the top is 2; it must be 0 to 1"),
    (put([10**30, 0, 0, 0], "projections", 0, "padding"), "padding at the top"), (put(3, "projections", 0, "groups"), "groups is 3"),
    (put(0, "projections", 0, "groups"), "groups is 0"), (put(1, "projections", 0, "groups"), "the kernel takes 1 channels in 1 groups"),
    (put(1.0, "projections", 0, "groups"), "groups: it must be an integer"),
    (put([2, 2], "projections", 0, "stride"), "use the shape (2, 2, 4)"),
    (put([4, 4, 2], "populations", 0, "shape"), "use the shape (2, 2, 4)"),
    (put([1, 5, 2], "populations", 0, "shape"), "use the shape (1, 3, 4)"),
    (put([4, 2, 2], "populations", 0, "shape"), "use a smaller kernel"), (put(9, "spike_bits"), "spike_bits is 9; it must be 1 to 8"),
    (put(0, "spike_bits"), "spike_bits is 0"), (put("now", "populations", 1, "semantics", "current"), "current is 'now'"),
    (put([], "populations", 1, "semantics", "current"), "current is []"),
    (put("next_tick", "populations", 0, "semantics", "reset_moment"), "resets in the same tick only"),
    (put("none", "populations", 2, "semantics", "reset"), "where reset is 'none'"),
    (put("lif", "populations", 1, "kind"), "no synaptic current"),
    (put(-1, "populations", 1, "parameters", "k_i"), "k_i of neuron 0 is -1")])
def test_changed_fields_of_version_2_are_named(tmp_path: Path, change: Callable[[Any], None], words: str) -> None:
    assert words in refused(rewritten(tmp_path, change, network=small_image_network()))


def test_a_small_file_of_huge_geometry_takes_no_memory(tmp_path: Path) -> None:
    """A tall image, and a kernel as wide, most of it on padding: a file of 300 kB that could ask for terabytes."""
    n = 1 << 18
    network = Network((Population("in", (n, 1, 1), "input"), Population("out", (n, 1, 1), "li")),
                      (Projection.conv("in", "out", np.ones((1, n, 1, 1), int), padding=(0, 0, n - 1, 0)),))
    save_network(network, tmp_path / "n.ranvier")
    again = load_network(tmp_path / "n.ranvier")
    assert again.arrivals(again.by_name["out"])[0].tolist() == [1] * n


def test_bytes_are_fixed(tmp_path: Path) -> None:
    save_network(small_network(), tmp_path / "n.ranvier")
    with zipfile.ZipFile(tmp_path / "n.ranvier") as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0) and entry.compress_type == zipfile.ZIP_STORED
            assert entry.create_system == 3 and not entry.filename.startswith(("/", "."))
        described_file = json.loads(archive.read("network.json"))
    assert described_file["format"] == "ranvier-network" and described_file["version"] == 1


def rewritten(tmp_path: Path, change: Callable[[Any], Any] = lambda value: value, drop: str = "",
              extra: dict[str, bytes] | None = None, text: str | None = None, network: Network | None = None) -> Path:
    """The small network, or another, with its JSON changed, an entry left out, or entries added or replaced."""
    source, target = tmp_path / "good.ranvier", tmp_path / "n.ranvier"
    save_network(network or small_network(), source)
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    value = json.loads(entries["network.json"])
    changed = change(value)
    entries["network.json"] = (text if text is not None else json.dumps(value if changed is None else changed)).encode()
    entries |= extra or {}
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in entries.items():
            if name != drop:
                archive.writestr(name, data)
    return target


def refused(path: Path, load: Callable[[Path], Any] = load_network) -> str:
    with pytest.raises(RanvierError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable(), message
    return message


@pytest.mark.parametrize(("change", "words"), [
    (put("other", "format"), "format: this is not a network"),
    (put(3, "version"), "version: this release reads versions 1 to 2"),
    (put(2, "version"), "semantics: the fields must be exactly"),
    (put(True, "version"), "version"),
    (put(1, "unknown"), "the fields must be exactly"),
    (put(True, "state_bits"), "state_bits: it must be an integer"),
    (put(99, "state_bits"), "state_bits is 99"),
    (put([], "rounding"), "rounding: it must be text"),
    (put([], "info"), "info: it must be an object"),
    (put({}, "populations"), "populations: it must be a list"),
    (put([], "populations"), "nothing in network.json refers to it"),
    (put([1, 1, True], "populations", 0, "shape"), "shape: it must be a list of three integers"),
    (put([1 << 20, 1 << 20, 1 << 20], "populations", 0, "shape"), "at most"),
    (put("in", "populations", 1, "name"), "same name"),
    (put("\ud800", "populations", 1, "name"), "surrogates not allowed"),
    (put(7, "populations", 1, "name"), "name: it must be text"),
    (put("core", "populations", 1, "kind"), "kind is 'core'"),
    (put("array", "populations", 0, "parameters", "theta"), "population-0000.theta.npy is missing"),
    (put("array", "populations", 0, "parameters", "../x"), "must be an integer"),
    (put(10**30, "populations", 0, "parameters", "theta"), "does not fit 32 bits"),
    (put(1, "populations", 0, "parameters", "zeta"), "unknown parameter"),
    (put(0, "populations", 0, "semantics", "strict"), "strict is 0"),
    (put(True, "populations", 0, "semantics", "dt"), "dt must be"),
    (put({}, "populations", 0, "semantics"), "the fields must be exactly"),
    (put("none", "projections", 0, "source"), "there is no population 'none'"),
    (put(1.0, "projections", 0, "delay"), "delay: it must be an integer"),
    (put([], "projections"), "nothing in network.json refers to it"),
])
def test_changed_fields_are_named(tmp_path: Path, change: Callable[[Any], None], words: str) -> None:
    assert words in refused(rewritten(tmp_path, change))


@pytest.mark.parametrize(("text", "words"), [
    ("", "Expecting value"), ("[" * 100_000, "nested too deeply"), ("{\"a\":1,\"a\":2}", "there twice"),
    ("NaN", "not finite"), ("1e999", "not finite"), ("9" * 5000, "4300"), ("3", "not a network"),
    ("{}", "not a network"),
])
def test_broken_json(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(rewritten(tmp_path, text=text))


def npy(header: str, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    text = header.encode()
    return magic + len(text).to_bytes(2, "little") + text + data


WEIGHTS = "projection-0000.npy"


@pytest.mark.parametrize("entry", [
    npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 4000000, 4000000)}", b"\0" * 64),
    npy("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 1, 10000000000, 1)}"),
    npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
    npy("{'descr': '|V99999999999', 'fortran_order': False, 'shape': (1,)}"),
    npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1)}", b"\0" * 8),
    npy("{'descr': '<f1', 'fortran_order': False, 'shape': (1,)}", b"\0"),
    npy("{'descr': '|i1', 'fortran_order': False, 'shape': (True,)}", b"\0"),
    npy("{'descr': '|i1', 'fortran_order': False, 'shape': (-1,)}", b"\0"),
    npy("{'descr': '|i1', 'fortran_order': False}", b"\0"),
    npy("__import__('os').system('false')"), npy("((((((((1))))))))"), npy("{'descr'"), npy(""), b"", b"\x93NUMPY",
    npy("{}", magic=b"\x93NUMPY\x09\x00"), b"\x80\x04K\x01.",
])
def test_lying_arrays(tmp_path: Path, entry: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(rewritten(tmp_path, extra={WEIGHTS: entry}))


def test_entries_that_do_not_belong(tmp_path: Path) -> None:
    assert "projection-0001.npy is missing" in refused(rewritten(tmp_path, drop="projection-0001.npy"))
    assert "nothing in network.json" in refused(rewritten(tmp_path, extra={"more.npy": b""}))
    assert "not plain" in refused(rewritten(tmp_path, extra={"../evil.npy": b""}))
    assert "not plain" in refused(rewritten(tmp_path, extra={"/evil.npy": b""}))
    path = rewritten(tmp_path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("network.json", b"{}")
    assert "there twice" in refused(path)


def test_zip_bombs_and_odd_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.ranvier"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("network.json", b" " * (17 << 20))
    assert "at most" in refused(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("network.json", b"{}")
    assert "packed unusually" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(1025):
            archive.writestr(f"e{index}", b"")
    assert "at most 1024 entries" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network.json", b"{}")
        archive.comment = b"x"
    assert "not a zip file" in refused(path)
    monkeypatch.setattr("ranvier.files.archive.MAX_CONTENT", 1000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(3):
            archive.writestr(f"e{index}", b" " * 900)
    assert "together" in refused(path)


def test_truncation_at_every_byte(tmp_path: Path) -> None:
    source, path = tmp_path / "good.ranvier", tmp_path / "n.ranvier"
    save_network(small_network(), source)
    data = source.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        refused(path)


def test_special_files(tmp_path: Path) -> None:
    assert "not a regular file" in refused(Path(os.devnull))    # first: what reads a pipe all the same waits for ever
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in refused(fifo)
    assert "no such file" in refused(tmp_path / "absent")
    with pytest.raises(RanvierError) as caught:
        load_network(tmp_path / "two\nlines")
    assert str(caught.value).isprintable()
    with pytest.raises(RanvierError):
        load_network("nul\0byte")


def test_nothing_is_written_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RanvierError, match="cannot be written"):
        write_atomic(tmp_path / "absent" / "x", b"1")
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(RanvierError, match="JSON"):
        write_json(path, {"a": float("nan")})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RanvierError, match="no space left"):
        write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1} and [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert not stat.S_IMODE(path.stat().st_mode) & 0o111


def test_info_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    network = Network((Population("a", (1, 1, 1), "if"),), (), info={"x": object()})
    with pytest.raises(RanvierError, match="info"):
        save_network(network, tmp_path / "n.ranvier")
    assert not list(tmp_path.iterdir())


# Pictures


def saved(tmp_path: Path, compressed: bool = False, **arrays: Any) -> Path:
    path = tmp_path / "p.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (5, 2, 2), (5, 1, 2, 2)])
def test_pictures(tmp_path: Path, shape: tuple[int, ...], compressed: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pictures, labels = load_pictures(
        saved(tmp_path, compressed, pictures=pixels, labels=np.arange(5), attribution=np.array(["text"])), 4)
    assert pictures.dtype == np.uint8 and np.array_equal(pictures, pixels.reshape(5, 4))
    assert labels is not None and labels.dtype == np.int64 and labels.tolist() == [0, 1, 2, 3, 4]


def test_only_array_without_labels_and_fortran_order(tmp_path: Path) -> None:
    pixels = np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4))
    pictures, labels = load_pictures(saved(tmp_path, x=pixels), 4)
    assert labels is None and np.array_equal(pictures, pixels)


def test_floats_are_scaled_to_the_input_bits(tmp_path: Path) -> None:
    path = saved(tmp_path, pictures=np.array([[0, 0.5, 1.0, 0.25]], np.float32))
    assert load_pictures(path, 4)[0].tolist() == [[0, 128, 255, 64]]
    wide, _ = load_pictures(path, 4, input_bits=10)
    assert wide.dtype == np.uint16 and wide.tolist() == [[0, 512, 1023, 256]]


def test_a_network_says_size_and_width(tmp_path: Path) -> None:
    network = small_network()
    size = network.inputs[0].size
    assert load_pictures(saved(tmp_path, pictures=np.zeros((2, size), int)), network)[0].shape == (2, size)
    wrong = saved(tmp_path, pictures=np.zeros((2, 99), int))
    assert f"(n, {size})" in refused(wrong, lambda path: load_pictures(path, network))


@pytest.mark.parametrize(("arrays", "words"), [
    ({"pictures": np.full((2, 4), np.nan)}, "NaN or infinite"),
    ({"pictures": np.full((2, 4), np.inf)}, "NaN or infinite"),
    ({"pictures": np.full((2, 4), 1.5)}, "floats from 1.5 to 1.5; the network's inputs take 0 to 1"),
    ({"pictures": np.full((2, 4), -0.5)}, "--input-range LOW HIGH"),
    ({"pictures": np.full((2, 4), -1)}, "0 to 255"),
    ({"pictures": np.full((2, 4), 256)}, "0 to 255"),
    ({"pictures": np.full((2, 4), 2**64 - 1, np.uint64)}, "0 to 255"),
    ({"pictures": np.zeros((2, 4), complex)}, "not a plain numeric array"),
    ({"pictures": np.zeros((2, 3))}, "shape (2, 3)"),
    ({"pictures": np.zeros(4)}, "shape (4,)"),
    ({"pictures": np.zeros((0, 4))}, "n at least 1"),
    ({"a": np.zeros((1, 4)), "b": np.zeros((1, 4))}, "a, b fit a network of 4 inputs; name one with --samples"),
    ({"labels": np.zeros(4, int)}, "no array of a known name"),
    ({"pictures": np.zeros((2, 4)), "labels": np.zeros(3, int)}, "they must be 2 numbers, one for each sample"),
    ({"pictures": np.zeros((2, 4)), "labels": np.full(2, 0.5)}, "labels: a label"),
    ({"pictures": np.zeros((2, 4)), "labels": np.array([0, -1])}, "labels: a label"),
    ({"pictures": np.array([[object()] * 4], object)}, "not a plain numeric array"),
])
def test_bad_pictures(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    assert words in refused(saved(tmp_path, **arrays), lambda path: load_pictures(path, 4))


def test_pickles_are_never_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pictures.npy", buffer.getvalue())
    assert "not a plain numeric array" in refused(path, lambda p: load_pictures(p, 4))
