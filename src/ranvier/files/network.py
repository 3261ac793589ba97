"""Networks as files (`.ranvier`), equal bytes for equal networks.

A `.ranvier` file is a zip of uncompressed entries with fixed dates, so equal networks give equal bytes:

- ``network.json``: format, version, number format, populations, projections, info;
- ``projection-0000.npy``: the kernel of projection 0, int8 or int16, four dimensions;
- ``population-0000.theta.npy``: a parameter of population 0 that differs from neuron to neuron, int32.

Version 2 says more of projections (stride, padding, dilation, groups), and of semantics which synaptic current the membrane takes. A
network that needs none of it, nor counts, currents or later resets, is written as version 1, which every release reads.

Readers trust nothing: every size is bounded before anything is read (`files.archive`), and there is no pickle.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..model.errors import RanvierError
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.network.semantics import Semantics
from ..model.neurons.registry import all_parameters
from .archive import Archive, Array
from .limits import MAX_ENTRIES, MAX_HEADER, MAX_JSON, MAX_NEURONS, MAX_WEIGHTS
from .safe import json_bytes, parse_json, shown, write_atomic

__all__ = ["FORMAT", "VERSION", "load_network", "save_network"]

FORMAT, VERSION = "ranvier-network", 2


_FORMAT_FIELDS = ("state_bits", "weight_bits", "input_bits", "spike_bits", "rounding")


#: Fields of semantics in each version.
_SEMANTICS: dict[int, tuple[str, ...]] = {1: ("strict", "reset", "reset_moment", "integrator", "dt")}
_SEMANTICS[2] = (*_SEMANTICS[1], "current")


#: Fields of a projection that are a number, and in version 2 those that are lists, with their lengths.
_NUMBERS = {1: ("delay", "exponent"), 2: ("delay", "exponent", "groups")}
_LISTS: dict[int, dict[str, int]] = {1: {}, 2: {"stride": 2, "padding": 4, "dilation": 2}}


_JSON = "network.json"


_ARRAY = "array"


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _version(network: Network) -> int:
    """The first version that can say all of ``network``."""
    older = network.spike_bits == 1 and not network.options.currents and all(
        p.semantics.reset_moment == "same_tick" and p.semantics.current == "after" for p in network.populations) and all(
        p.is_dense(network.by_name[p.source], network.by_name[p.destination]) and p.dilation == (1, 1) for p in network.projections)
    return 1 if older else VERSION


def _entries_of(network: Network) -> Iterator[tuple[str, bytes]]:
    version = _version(network)
    populations = []
    arrays: list[tuple[str, bytes]] = []
    for index, population in enumerate(network.populations):
        parameters: dict[str, Any] = {}
        integers = population.integers(network.state_bits)
        for name in sorted(integers):
            value = np.asarray(integers[name])
            if value.size == 1:
                parameters[name] = int(value.reshape(-1)[0])
            else:
                parameters[name] = _ARRAY
                # `Population.parameter` has held every value within 32 bits.
                arrays.append((f"population-{index:04}.{name}.npy", _npy(value.astype("<i4"))))
        populations.append({"name": population.name, "shape": list(population.shape), "kind": population.kind,
                            "parameters": parameters,
                            "semantics": {name: getattr(population.semantics, name) for name in _SEMANTICS[version]}})
    projections = []
    kind = "<i1" if network.weight_bits <= 8 else "<i2"
    for index, projection in enumerate(network.projections):
        arrays.append((_weights_entry(index), _npy(projection.weights.astype(kind))))
        projections.append({name: getattr(projection, name) for name in (
            "source", "destination", *_NUMBERS[version], *_LISTS[version])})
    described = {"format": FORMAT, "version": version, **{name: getattr(network, name) for name in _FORMAT_FIELDS},
                 "populations": populations, "projections": projections, "info": network.info}
    yield _JSON, json_bytes(described, "network: info")
    yield from arrays


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write ``network`` to ``path``; equal networks give equal bytes. Raises `RanvierError` and then writes nothing."""
    weights = sum(projection.weights.size for projection in network.projections)
    if weights > MAX_WEIGHTS:
        raise RanvierError(f"{shown(path)}: the network has {weights} weights; a file holds {MAX_WEIGHTS}")
    neurons = sum(population.size for population in network.populations)
    if neurons > MAX_NEURONS:
        raise RanvierError(f"{shown(path)}: the network has {neurons} neurons; a file holds {MAX_NEURONS}")
    entries = list(_entries_of(network))
    if len(entries) > MAX_ENTRIES:
        raise RanvierError(f"{shown(path)}: the network has {len(entries)} arrays; a file holds {MAX_ENTRIES}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            # Everything that zipfile would take from the clock or the system is fixed.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    write_atomic(path, buffer.getvalue())


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read what `save_network` wrote; every failure is one `RanvierError` line that begins with the file's name."""
    archive = Archive(path)
    value = parse_json(archive.read(_JSON, MAX_JSON), f"{archive.path}: {_JSON}")
    try:
        return _network(archive, value)
    except RanvierError as error:
        message, start = str(error), f"{archive.path}: "
        raise RanvierError(message if message.startswith(start) else start + message) from None


def _object(value: Any, keys: set[str], owner: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise RanvierError(f"{owner}: the fields must be exactly {', '.join(sorted(keys))}; write the file again")
    return value


def _typed(value: Any, kinds: type | tuple[type, ...], owner: str, kind_name: str) -> Any:
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    # Not isinstance: True is an int to Python, but not to a network.
    if type(value) not in allowed:
        raise RanvierError(f"{owner}: it must be {kind_name}; write the file again")
    return value


def _network(archive: Archive, value: Any) -> Network:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise RanvierError(
            f"format: this is not a network of Ranvier (no format {FORMAT!r}); write it with ranvier convert")
    version = value.get("version")
    if type(version) is not int or version not in _SEMANTICS:
        raise RanvierError(
            f"version: this release reads versions 1 to {VERSION}; convert the network again or update Ranvier")
    _object(value, {"format", "version", "populations", "projections", "info", *_FORMAT_FIELDS}, "network")
    used = {_JSON}
    populations, neurons = [], 0
    for index, item in enumerate(_typed(value["populations"], list, "populations", "a list")):
        populations.append(_population(archive, version, index, item, used))
        neurons += populations[-1].size
        if neurons > MAX_NEURONS:
            raise RanvierError(f"populations: more than {MAX_NEURONS} neurons; use a smaller network")
    described = _typed(value["projections"], list, "projections", "a list")
    # Their arrays' headers come first, so that a small file that unpacks to a huge network is refused before it has.
    weights = sum(math.prod(archive.shape(_weights_entry(index))) for index in range(len(described)))
    if weights > MAX_WEIGHTS:
        raise RanvierError(f"projections: {weights} weights; a network has at most {MAX_WEIGHTS}: use a smaller one")
    projections = [_projection(archive, version, index, item, used) for index, item in enumerate(described)]
    unused = sorted(set(archive.names) - used)
    if unused:
        raise RanvierError(f"entry {unused[0]}: nothing in {_JSON} refers to it; write the file again")
    info = _typed(value["info"], dict, "info", "an object")
    bits = {name: _typed(value[name], int, name, "an integer") for name in _FORMAT_FIELDS if name != "rounding"}
    rounding = _typed(value["rounding"], str, "rounding", "text")
    return Network(tuple(populations), tuple(projections), info=info, rounding=rounding, **bits)


def _population(archive: Archive, version: int, index: int, value: Any, used: set[str]) -> Population:
    owner = f"population {index}"
    item = _object(value, {"name", "shape", "kind", "parameters", "semantics"}, owner)
    shape = _typed(item["shape"], list, f"{owner}: shape", "a list of three integers")
    if len(shape) != 3 or any(type(n) is not int for n in shape):
        raise RanvierError(f"{owner}: shape: it must be a list of three integers; write the file again")
    semantics = _object(item["semantics"], set(_SEMANTICS[version]), f"{owner}: semantics")
    if isinstance(semantics["dt"], bool):
        raise RanvierError(f"{owner}: semantics: dt must be a number of seconds or null; write the file again")
    parameters: dict[str, Any] = {}
    for name, found in _typed(item["parameters"], dict, f"{owner}: parameters", "an object").items():
        if found == _ARRAY and name in all_parameters():
            entry = f"population-{index:04}.{name}.npy"
            used.add(entry)
            # The shape is not believed yet, so it is the bound of any population's that holds.
            array = archive.array(entry, MAX_HEADER + 12 + 4 * MAX_NEURONS)
            if array.dtype != np.dtype("<i4"):
                raise RanvierError(f"{owner}: {name}: its array is {array.dtype}, not int32; write the file again")
            parameters[name] = array.astype(np.int64)
        else:
            parameters[name] = _typed(found, int, f"{owner}: {name[:40]!r}", f"an integer or {_ARRAY!r}")
            if not -(1 << 31) <= found < 1 << 31:
                raise RanvierError(f"{owner}: {name[:40]!r}: it does not fit 32 bits; use a smaller value")
    return Population(_typed(item["name"], str, f"{owner}: name", "text"), (shape[0], shape[1], shape[2]),
                      _typed(item["kind"], str, f"{owner}: kind", "text"), parameters, Semantics(**semantics))


def _weights_entry(index: int) -> str:
    return f"projection-{index:04}.npy"


def _projection(archive: Archive, version: int, index: int, value: Any, used: set[str]) -> Projection:
    owner = f"projection {index}"
    item = _object(value, {"source", "destination", *_NUMBERS[version], *_LISTS[version]}, owner)
    entry = _weights_entry(index)
    used.add(entry)
    weights = archive.array(entry)
    if weights.dtype not in (np.dtype("<i1"), np.dtype("<i2")):
        raise RanvierError(f"{owner}: its weights are {weights.dtype}, not int8 or int16; write the file again")
    for name in ("source", "destination"):
        _typed(item[name], str, f"{owner}: {name}", "text")
    for name in _NUMBERS[version]:
        _typed(item[name], int, f"{owner}: {name}", "an integer")
    for name, length in _LISTS[version].items():
        numbers = _typed(item[name], list, f"{owner}: {name}", f"a list of {length} integers")
        if len(numbers) != length or any(type(n) is not int for n in numbers):
            raise RanvierError(f"{owner}: {name}: it must be a list of {length} integers; write the file again")
    geometry = {name: tuple(item[name]) for name in _LISTS[version]}
    return Projection(item["source"], item["destination"], weights.astype(np.int64), item["delay"], item["exponent"],
                      groups=item.get("groups", 1), **geometry)
