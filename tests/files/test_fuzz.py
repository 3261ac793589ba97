"""The file readers meet hostile files: either they succeed, or there is one line that names the file.

Three readers, each with random bytes and with valid files that were damaged in a way that keeps them plausible: flipped
bits, cuts, splices, zip entries replaced under a right checksum, JSON fields and ONNX fields changed. No other
exception, no warning and no new file may come of it. 1,650 cases, and 300 of the command `run`.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest.mock
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from ranvier.cli import main
from ranvier.convert.convert import convert
from ranvier.files.network import load_network, save_network
from ranvier.files.samples import load_pictures
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

Edit = tuple[str, int, int, bytes]


def cases(count: int) -> Callable[[Any], Any]:
    """``count`` cases, the same in every run."""
    return settings(derandomize=True, deadline=None, max_examples=count, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@cache
def onnx_bytes() -> bytes:
    rng = np.random.default_rng(0)
    values = {"w": rng.normal(size=(4, 3)), "b": rng.normal(size=3), "lo": 0.0, "hi": 1.5, "v": rng.normal(size=(3, 2)),
              **{name: np.full(3, 0.5) for name in ("g", "o", "m", "s")}, "shape": np.array([-1, 4])}
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["f"], "reshape"),
        helper.make_node("Gemm", ["f", "w", "b"], ["c"], "hidden", alpha=0.5, transB=0),
        helper.make_node("BatchNormalization", ["c", "g", "o", "m", "s"], ["n"], "norm", epsilon=1e-3),
        helper.make_node("Clip", ["n", "lo", "hi"], ["a"], "clip"),
        helper.make_node("Dropout", ["a"], ["d"], "drop"),
        helper.make_node("MatMul", ["d", "v"], ["l"], "output"),
        helper.make_node("Softmax", ["l"], ["y"], "softmax", axis=-1)]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value, np.int64 if name == "shape" else np.float32), name)
         for name, value in values.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@cache
def network_bytes() -> bytes:
    network = Network(
        (Population("in", (1, 1, 3), "input", {"theta": 255, "v_init": 127, "v_max": 1000}),
         Population("mid", (1, 1, 2), "lif", {"theta": np.array([5, 9]), "k": 60000, "v_min": -100, "v_max": 1000}),
         Population("out", (1, 1, 2), "li", {"bias": np.array([1, -1]), "v_min": -1000, "v_max": 1000})),
        (Projection.dense("in", "mid", np.array([[1, -2], [3, -8], [7, 0]])),
         Projection.dense("mid", "mid", np.eye(2, dtype=int), delay=1),
         Projection.dense("mid", "out", np.eye(2, dtype=int), exponent=1)), info={"source": "m", "steps": 4})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "n.ranvier"
        save_network(network, path)
        return path.read_bytes()


@cache
def image_network_bytes() -> bytes:
    """A network of version 2."""
    network = Network(
        (Population("in", (4, 5, 2), "input", theta=9), Population("mid", (2, 3, 4), "cubalif", {"theta": np.arange(1, 5), "k_i": 9}),
         Population("out", 2, "li")),
        (Projection.conv("in", "mid", np.arange(-8, 8).reshape(2, 2, 1, 4), stride=(2, 1), padding=(1, 0, 0, 0), dilation=(1, 2), groups=2),
         Projection.dense("mid", "out", np.ones((24, 2), int), 1)), 20, spike_bits=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "n.ranvier"
        save_network(network, path)
        return path.read_bytes()


@cache
def pictures_bytes() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pictures=np.arange(40, dtype=np.uint8).reshape(10, 4), labels=np.arange(10))
    return buffer.getvalue()


@cache
def pictures_bytes_of(size: int) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, pictures=np.arange(4 * size, dtype=np.uint8).reshape(4, size))
    return buffer.getvalue()


def read_onnx(path: Path) -> Any:
    """What a user would do next belongs to the reader's promise: convert what was read."""
    model = load_onnx(path)
    model.forward(np.full((1, model.input_size), 0.5))
    return convert(model, steps=2, calibration=np.full((2, model.input_size), 200))


def read_pictures(path: Path) -> Any:
    return load_pictures(path, 4)


def attempt(read: Callable[[Path], Any], data: bytes) -> None:
    """Read ``data`` as a file; only success and a `RanvierError` of one line that names it are allowed."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / "hostile"
        path.write_bytes(data)
        try:
            read(path)
        except RanvierError as error:
            message = str(error)
            assert message.isprintable() and len(message) < 1000, message
            # What converting says is about the network, and the command line adds the name.
            assert message.startswith(f"{path}: ") or read is read_onnx and message.startswith(
                ("population ", "projection ", "layer ", "quantise")), message
        assert [entry.name for entry in Path(folder).iterdir()] == ["hostile"]


def edits() -> st.SearchStrategy[list[Edit]]:
    """Damage: kind, place, amount, bytes."""
    kinds = st.sampled_from(["flip", "cut", "drop", "insert", "repeat", "overwrite", "integer"])
    extremes = st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"PK\x05\x06", b"PK\x01\x02"])
    return st.lists(st.tuples(kinds, st.integers(0, 1 << 20), st.integers(0, 64), extremes | st.binary(max_size=9)),
                    min_size=1, max_size=4)


def damaged(data: bytes, changes: list[Edit]) -> bytes:
    content = bytearray(data)
    for kind, place, amount, extra in changes:
        at = place % (len(content) + 1)
        if kind == "flip" and at < len(content):
            content[at] ^= 1 << amount % 8
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at:at + amount]
        elif kind == "insert":
            content[at:at] = extra
        elif kind == "repeat":
            content[at:at] = content[at:at + amount]
        else:
            content[at:at + len(extra)] = extra
    return bytes(content)


def with_entries(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A zip whose entries were changed, with checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ODD = (st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70)
       | st.sampled_from([-1, 0, 1, 15, 16, 32767, 1 << 31]) | st.floats() | st.text(max_size=8)
       | st.sampled_from(["array", "in", "mid", "out", "li", "value", "\ud800", "\n"]))
JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6)


def changed_json(value: Any, path: list[int], new: Any, remove: bool) -> Any:
    """``value`` with the place that ``path`` leads to replaced or removed."""
    at = value
    for step in path[:-1]:
        if not isinstance(at, (dict, list)) or not at:
            return value
        key: Any = sorted(at)[step % len(at)] if isinstance(at, dict) else step % len(at)
        if not isinstance(at[key], (dict, list)) or not at[key]:
            break
        at = at[key]
    key = sorted(at)[path[-1] % len(at)] if isinstance(at, dict) else path[-1] % len(at)
    if remove:
        del at[key]
    else:
        at[key] = new
    return value


def test_undamaged_files_are_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        readers: list[tuple[Callable[[Path], Any], bytes]] = [
            (read_onnx, onnx_bytes()), (load_network, network_bytes()), (load_network, image_network_bytes()),
            (read_pictures, pictures_bytes())]
        for read, data in readers:
            path.write_bytes(with_entries(data, lambda _: None) if data[:2] == b"PK" else data)
            assert read(path)


@cases(150)
@given(st.binary(max_size=300),
       st.sampled_from([b"", b"PK\x03\x04", b"\x08\x08", b"\x08\x08\x3a", b"PK\x05\x06" + b"\0" * 18]),
       st.sampled_from([read_onnx, load_network, read_pictures]), st.booleans())
def test_random_bytes(data: bytes, start: bytes, read: Callable[[Path], Any], behind: bool) -> None:
    attempt(read, data + start if behind else start + data)


@cases(350)
@given(edits())
def test_damaged_onnx(changes: list[Edit]) -> None:
    attempt(read_onnx, damaged(onnx_bytes(), changes))


@cases(200)
@given(edits(), st.sampled_from([network_bytes, image_network_bytes]))
def test_damaged_network(changes: list[Edit], network: Callable[[], bytes]) -> None:
    attempt(load_network, damaged(network(), changes))


@cases(150)
@given(edits())
def test_damaged_pictures(changes: list[Edit]) -> None:
    attempt(read_pictures, damaged(pictures_bytes(), changes))


@cases(400)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5), JSON, st.booleans(), st.sampled_from([network_bytes, image_network_bytes]))
@example([5, 0], float("nan"), False, network_bytes)
@example([4, 0, 7, 0], 1 << 70, False, image_network_bytes)
def test_changed_network_fields(path: list[int], new: Any, remove: bool, network: Callable[[], bytes]) -> None:
    def change(entries: dict[str, bytes]) -> None:
        value = changed_json(json.loads(entries["network.json"]), path, new, remove)
        entries["network.json"] = json.dumps(value).encode()
    attempt(load_network, with_entries(network(), change))


@cases(200)
@given(st.sampled_from([load_network, read_pictures]), st.integers(0, 20), edits(), st.integers(0, 140))
def test_changed_entries(read: Callable[[Path], Any], which: int, changes: list[Edit], start: int) -> None:
    """Damage inside entries: the headers of arrays come first, so most of it goes there."""
    def change(entries: dict[str, bytes]) -> None:
        name = sorted(entries)[which % len(entries)]
        part = entries[name][:start]
        entries[name] = damaged(part, changes) + entries[name][start:]
    attempt(read, with_entries(network_bytes() if read is load_network else pictures_bytes(), change))


KINDS = ["op", "input", "output", "name", "value", "type", "dims", "attribute", "opset", "shape"]
OPERATORS = ["Add", "Relu", "Clip", "Constant", "Identity", "Gemm", "Flatten", "Mul\n"]
NUMBERS = st.sampled_from([0.0, -0.0, 1e-45, 1e-38, 1e-12, -1.0, 1e9, 1e15, 3e38, float("inf"), float("nan"), 0.5])


@cases(200)
@given(st.data())
def test_changed_onnx_fields(data: st.DataObject) -> None:
    """A file that protobuf accepts, whose nodes, tensors and attributes say something else."""
    model = onnx.load_model_from_string(onnx_bytes())
    graph = model.graph
    for _ in range(data.draw(st.integers(1, 3))):
        node, tensor = data.draw(st.sampled_from(list(graph.node))), data.draw(st.sampled_from(list(graph.initializer)))
        kind = data.draw(st.sampled_from(KINDS))
        if kind == "op":
            node.op_type = data.draw(st.sampled_from(OPERATORS))
        elif kind in ("input", "output"):
            names = getattr(node, kind)
            if names:
                index = data.draw(st.integers(0, len(names) - 1))
                names[index] = data.draw(st.sampled_from(["", "x", "y", "w", "b", "c", "?"]))
        elif kind == "name":
            node.name = tensor.name = data.draw(st.text(st.characters(codec="utf-8"), max_size=80))
        elif kind == "value":
            count = len(tensor.raw_data) // 4
            tensor.raw_data = np.full(count, data.draw(NUMBERS), np.float32).tobytes()
        elif kind == "type":
            tensor.data_type = data.draw(st.integers(0, 30))
        elif kind == "dims":
            tensor.dims[:] = data.draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3, 4, 12, 1 << 40]), max_size=4))
        elif kind == "attribute" and node.attribute:
            node.attribute[0].f, node.attribute[0].i = data.draw(NUMBERS), data.draw(st.integers(-5, 5))
            node.attribute[0].type = data.draw(st.integers(0, 8))
        elif kind == "opset":
            model.opset_import[0].version = data.draw(st.integers(-1, 40))
        else:
            graph.input[0].type.tensor_type.shape.dim[1].dim_value = data.draw(st.sampled_from([-1, 0, 2, 1 << 62]))
    attempt(read_onnx, model.SerializeToString())


# Whole commands: what fails leaves the folder as it was


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every name below ``folder``, with the bytes of files."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@cases(300)
@given(st.sampled_from(["network", "pictures"]), edits() | st.just([]), st.sampled_from(["new", "deep/er", "old", "other", "file"]))
def test_a_failed_run_leaves_the_folder_as_it_was(victim: str, changes: list[Edit], output: str) -> None:
    """`ranvier run -o`: exit code 2, one line, and no new or changed file or folder; or 0, with all of the results."""
    contents = {"network": network_bytes(), "pictures": pictures_bytes_of(3)}
    contents[victim] = damaged(contents[victim], changes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "n.ranvier").write_bytes(contents["network"])
        (folder / "p.npz").write_bytes(contents["pictures"])
        (folder / "old").mkdir()
        (folder / "old" / "report.json").write_text("old")
        (folder / "other").mkdir()
        (folder / "other" / "diary").write_text("mine")
        (folder / "file").write_text("mine")
        before = tree(folder)
        arguments = ["run", str(folder / "n.ranvier"), "--input", str(folder / "p.npz"), "-o", str(folder / output), "--json"]
        said, found = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(found), unittest.mock.patch("sys.argv", ["ranvier", *arguments]):
            try:
                main()
                code = 0
            except SystemExit as left:
                code = int(left.code or 0)
        event(f"exit code {code}")
        if code:
            lines = [line for line in said.getvalue().splitlines() if line.startswith("error: ")]
            assert code == 2 and len(lines) == 1 and "Traceback" not in said.getvalue(), said.getvalue()
            assert json.loads(found.getvalue())["error"]["message"] == lines[0].removeprefix("error: ")
            assert tree(folder) == before
        else:
            assert output not in ("other", "file")
            after = tree(folder)
            new = {key for key in after if key not in before or after[key] != before[key]} | {key for key in before if key not in after}
            assert new - {"deep"} <= {output, f"{output}/report.json", f"{output}/readouts.npz"}
            assert {f"{output}/report.json", f"{output}/readouts.npz"} <= set(after)


def test_an_undamaged_run_succeeds(tmp_path: Path) -> None:
    """Else the fuzz above would test refusals only."""
    (tmp_path / "n.ranvier").write_bytes(network_bytes())
    (tmp_path / "p.npz").write_bytes(pictures_bytes_of(3))
    arguments = ["run", str(tmp_path / "n.ranvier"), "--input", str(tmp_path / "p.npz"), "-o", str(tmp_path / "out")]
    with unittest.mock.patch("sys.argv", ["ranvier", *arguments]):
        main()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["readouts.npz", "report.json"]
