"""Matrix products on one core each, so that the golden model can spread its batch over the cores itself."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["single_threaded"]

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "")
_lock = threading.Lock()
_users = 0
_before = 1


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep OpenBLAS, where numpy uses it, to one thread inside; the setting before returns after the last user.

    OpenBLAS threads wait for one another by spinning. With products as short as ours, called from several threads or
    beside any other load, that made a run three to six times slower. Other libraries are left as they are:
    the limit changes speed, never results.
    """
    global _users, _before
    found = _openblas()
    if found is None:
        yield
        return
    library, prefix, suffix = found
    with _lock:
        if not _users:
            _before = library[f"{prefix}get_num_threads{suffix}"]()
            library[f"{prefix}set_num_threads{suffix}"](1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                library[f"{prefix}set_num_threads{suffix}"](_before)


@cache
def _openblas() -> tuple[ctypes.CDLL, str, str] | None:
    """The OpenBLAS that this process has loaded, and what its build puts around its function names."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    for path in sorted({line.split(maxsplit=5)[5] for line in maps.splitlines() if "openblas" in line}):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                if hasattr(library, f"{prefix}set_num_threads{suffix}"):
                    return library, prefix, suffix
    return None
