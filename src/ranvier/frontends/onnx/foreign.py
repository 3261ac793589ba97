"""What a file is that is no ONNX file, and how its program writes one."""

from __future__ import annotations

import io
import zipfile

__all__ = ["foreign"]

_TORCH = "a PyTorch file", "load it in Python and write torch.onnx.export(model, (example,), \"model.onnx\")"
_KERAS = "a Keras file", "load it in Python and write model.export(\"model.onnx\", format=\"onnx\")"
_PICKLE = ("a Python pickle", "load it in Python; a scikit-learn model is written with skl2onnx.to_onnx(model, x[:1].astype(\"float32\")), "
           "a PyTorch one with torch.onnx.export")
_ARRAYS = "a NumPy file", "arrays are no model; give the ONNX file of the network, and arrays as samples"
_STARTS: tuple[tuple[bytes, tuple[str, str]], ...] = (
    (b"\x89HDF\r\n\x1a\n", ("a Keras HDF5 file", _KERAS[1])),
    (b"\x93NUMPY", _ARRAYS),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", _TORCH),
    (b"version https://git-lfs", ("a Git LFS pointer", "fetch the file itself with git lfs pull")),
)


def foreign(data: bytes) -> str | None:
    """What ``data`` is and what to do, or None where it may be ONNX."""
    found = next((kind for start, kind in _STARTS if data.startswith(start)), None)
    if found is None and data[:2] == b"\x80" + data[1:2] and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and data.endswith(b"."):
        found = _PICKLE
    if found is None and data[4:8] == b"TFL3":
        found = "a TensorFlow Lite file", "convert it with python -m tf2onnx.convert --tflite FILE --output model.onnx"
    if found is None and data[8:10] == b'{"' and int.from_bytes(data[:8], "little") <= len(data):
        found = "a safetensors file", "it has weights, no network; load them into the model in Python, then torch.onnx.export"
    if found is None and data.startswith(b"PK\x03\x04"):
        found = _archive(data)
    return None if found is None else f"this is no ONNX file but {found[0]}; {found[1]}"


def _archive(data: bytes) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "a damaged zip archive", "give the ONNX file of the network"
    last = {name.rsplit("/", 1)[-1] for name in names}
    if "data.pkl" in last:
        return _TORCH
    if "model.weights.h5" in last:
        return _KERAS
    if "network.json" in last:
        return "a network that is converted already", "run it with ranvier run"
    if names and all(name.endswith(".npy") for name in names):
        return _ARRAYS
    return "a zip archive", "unpack it and give the ONNX file in it"
