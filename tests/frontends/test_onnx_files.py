"""What lies in a file and beside it: types of numbers, external data, and files that are no ONNX."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError

W = np.random.default_rng(5).normal(size=(4, 3))


def model(weight: onnx.TensorProto, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    weight.name = "w"
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "n0")], "g",
                              [helper.make_tensor_value_info("x", kind, ["n", 4])],
                              [helper.make_tensor_value_info("y", kind, None)], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("dtype", "kind"), [
    (np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE), (np.float16, TensorProto.FLOAT16),
    (ml_dtypes.bfloat16, TensorProto.BFLOAT16)])
@pytest.mark.parametrize("raw", [True, False])
def test_floats_of_every_width(dtype: Any, kind: int, raw: bool) -> None:
    narrow = W.astype(dtype)
    tensor = numpy_helper.from_array(narrow) if raw else helper.make_tensor("w", kind, W.shape, narrow.astype(np.float64).ravel())
    assert tensor.HasField("raw_data") == raw
    np.testing.assert_array_equal(load_onnx(model(tensor, kind)).layers[0].weight, narrow.astype(np.float64))


def test_other_types_are_refused() -> None:
    with pytest.raises(RanvierError, match="tensor 'w' has the type number 17; export the model with float32 weights"):
        load_onnx(model(onnx.TensorProto(dims=W.shape, data_type=TensorProto.FLOAT8E4M3FN, raw_data=bytes(12))))
    with pytest.raises(RanvierError, match="tensor 'w' holds int64, not floats"):
        load_onnx(model(numpy_helper.from_array(np.ones((4, 3), np.int64))))


# Beside the file


def outside(**entries: str) -> onnx.ModelProto:
    tensor = onnx.TensorProto(dims=W.shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model(tensor)


def read(folder: Path, proto: onnx.ModelProto) -> np.ndarray:
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return load_onnx(folder / "m.onnx").layers[0].weight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.data").write_bytes(b"junk" + W.astype(np.float32).tobytes() + b"more")
    return tmp_path


def test_external_data_beside_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.testing.assert_array_equal(read(folder, outside(location="m.data", offset="4", length="48")), W.astype(np.float32))
    np.testing.assert_array_equal(read(folder, outside(location="m.data", offset="4")), W.astype(np.float32))
    monkeypatch.chdir(folder)    # a bare name has the working folder
    assert load_onnx("m.onnx").source == "m.onnx"


@pytest.mark.parametrize("place", ["/etc/passwd", "../m.data", "a/m.data", "a\\m.data", "C:m.data", "", ".", "..", "m\n.data", "x" * 5000])
def test_external_data_elsewhere_is_refused(folder: Path, place: str) -> None:
    with pytest.raises(RanvierError, match="tensor 'w' lies in '") as caught:
        read(folder, outside(location=place))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@pytest.mark.parametrize(("entries", "words"), [
    ({"offset": "-4"}, "its offset '-4' is not a whole number"),
    ({"offset": "4.0"}, "is not a whole number"),
    ({"offset": "\u0664"}, "is not a whole number"),
    ({"offset": "1" * 40}, "is not a whole number"),
    ({"offset": "12"}, "bytes 12 to 60 of 'm.data', which has 56"),
    ({"offset": "999999999999"}, "which has 56"),
    ({"offset": "4", "length": "40"}, "its shape needs 48 bytes, 'm.data' keeps 40 for it"),
    ({"offset": "4", "length": "52"}, "keeps 52"),
])
def test_offsets_and_lengths_are_checked(folder: Path, entries: dict[str, str], words: str) -> None:
    with pytest.raises(RanvierError) as caught:
        read(folder, outside(location="m.data", **entries))
    assert words in str(caught.value)


def test_links_folders_pipes_and_missing_files(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "m.data")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    for place, words in (("link", "it is a link"), ("sub", "not a regular file"), ("pipe", "not a regular file"),
                         ("absent", "no such file")):
        with pytest.raises(RanvierError, match=words):
            read(folder, outside(location=place, offset="0"))


def test_a_lying_shape_reads_nothing(folder: Path) -> None:
    proto = outside(location="m.data")
    proto.graph.initializer[0].dims[:] = [1 << 30, 1 << 30]
    with pytest.raises(RanvierError, match="does not fit its data"):
        read(folder, proto)


def test_the_weights_beside_a_model_are_not_the_model(folder: Path) -> None:
    with pytest.raises(RanvierError, match="m.data: it is not an ONNX file.*so give the .onnx file"):
        load_onnx(folder / "m.data")


# Other files


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return buffer.getvalue()


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "words"), [
    (b"\x89HDF\r\n\x1a\n" + bytes(64), "a Keras HDF5 file; load it in Python and write model.export("),
    (archive("metadata.json", "config.json", "model.weights.h5"), "a Keras file; load it in Python and write model.export("),
    (archive("model/data.pkl", "model/version", "model/data/0"), "a PyTorch file; load it in Python and write torch.onnx.export("),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "a PyTorch file"),
    (pickle.dumps({"model": [1, 2]}), "a Python pickle; load it in Python; a scikit-learn model is written with skl2onnx.to_onnx("),
    (saved(np.ones(3)), "a NumPy file; arrays are no model"),
    (archive("x.npy", "y.npy"), "a NumPy file"),
    (archive("network.json", "weights.npy"), "a network that is converted already; run it with ranvier run"),
    (archive("a.txt"), "a zip archive"),
    (b"PK\x03\x04" + bytes(30), "a damaged zip archive"),
    (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite file"),
    ((20).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}', "a safetensors file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
])
def test_good_files_of_other_programs_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(RanvierError) as caught:
        load_onnx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: this is no ONNX file but {words}") and message.isprintable()
