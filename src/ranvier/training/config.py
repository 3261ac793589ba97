"""What `ranvier train` is told: a TOML file to a network, its data, and the options of `fit`."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..files.fields import Field, choice, number, numbers, read_fields, table, tables, truth, whole, word
from ..files.network import load_network
from ..files.safe import read_bounded, shown
from ..model.errors import RanvierError
from ..model.fixed import ROUNDING
from ..model.limits import MAX_DELAY, MAX_STEP
from ..model.network.network import Network as IntegerNetwork
from ..model.network.semantics import CURRENTS, MOMENTS, RESETS, Semantics
from ..model.neurons.registry import family_of, find_kind
from .augment import random_affine
from .convert import from_network
from .delays import EACH, Delays
from .network import Network
from .populations import IF, LI, LIF, CubaLI, CubaLIF, Input, Population
from .projections import Conv2d, Dense, Projection
from .surrogates import SURROGATES

__all__ = ["Config", "read_config"]

_KINDS: dict[str, type[Population]] = {"input": Input, "if": IF, "lif": LIF, "cubalif": CubaLIF, "li": LI, "cubali": CubaLI}
_LEARNED = ("threshold", "bias", "beta", "alpha")
_INTEGER = whole(-(1 << 31), (1 << 31) - 1)
_COUNT = whole(1, 1 << 30)
_BITS = choice(2, 4, 8, 16)
_SHAPE = numbers(_COUNT, 3)

_TOP: dict[str, Field] = {"seed": whole(0, (1 << 32) - 1), "threads": whole(1, 1024), "data": table, "network": table,
                          "populations": tables, "projections": tables, "replace": table, "training": table, "augment": table}
_DATA: dict[str, Field] = {"training": word, "validation": word, "test": word}
_FORMAT: dict[str, Field] = {"weight_bits": _BITS, "state_bits": whole(12, 32), "input_bits": whole(1, 16),
                             "spike_bits": whole(1, 8), "rounding": choice(*ROUNDING), "surrogate": choice(*SURROGATES)}
_START: dict[str, Field] = {"start": word, "open_bounds": truth, "surrogate": choice(*SURROGATES),
                            **{f"learn_{name}": truth for name in _LEARNED}}
_SEMANTICS: dict[str, Field] = {"strict": truth, "reset": choice(*RESETS), "reset_moment": choice(*MOMENTS), "current": choice(*CURRENTS)}
_TRAINING: dict[str, Field] = {
    "steps": whole(1, 65535), "epochs": whole(1, 1_000_000), "batch": _COUNT, "rate": number(0, above=True), "patience": _COUNT,
    "clip_norm": number(0, above=True), "truncate": _COUNT, "rate_penalty": number(0), "operation_penalty": number(0)}
_AUGMENT: dict[str, Field] = {"shape": numbers(_COUNT, 3, single=False), "degrees": number(0), "translate": number(0),
                              "scale": number(0), "shear": number(0)}
_PROJECTION: dict[str, Field] = {"kind": choice("dense", "conv2d"), "source": word, "destination": word, "exponent": whole(0, 15),
                                 "learn": truth}
_PAIR = numbers(whole(1, MAX_STEP), 2)
_CONV: dict[str, Field] = {"kernel": numbers(_COUNT, 2), "stride": _PAIR, "dilation": _PAIR, "groups": _COUNT,
                           "padding": numbers(whole(0, 1 << 15), 2, 4)}
_DELAY: dict[str, Field] = {"most": whole(0, MAX_DELAY), "least": whole(0, MAX_DELAY), "each": choice(*EACH),
                            "sigma": numbers(number(0, above=True), 2, single=False), "start": numbers(number(0))}


@dataclass(frozen=True, eq=False)
class Config:
    """A run of training.

    model
        What is trained.
    data
        Files by ``training``, ``validation`` and ``test``; only the first must be there.
    options
        Keyword arguments of `fit`.
    """

    model: Network
    data: dict[str, Path]
    options: dict[str, Any]
    seed: int
    threads: int

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return int(self.options["steps"])


def read_config(path: Path) -> Config:
    """Read a TOML file, whose paths are from its own folder. Raises `RanvierError` that names the field."""
    owner = shown(path)
    try:
        values = tomllib.loads(read_bounded(path).decode())
    except UnicodeDecodeError:
        raise RanvierError(f"{owner}: it is no UTF-8 text; give a configuration in TOML") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RanvierError(f"{owner}: it is no TOML: {error}") from None
    found = read_fields(values, _TOP, owner, ("data", "network", "training"))
    data = read_fields(found["data"], _DATA, f"{owner}: data", ("training",))
    options = read_fields(found["training"], _TRAINING, f"{owner}: training", ("steps", "epochs"))
    if "augment" in found:
        augment = read_fields(found["augment"], _AUGMENT, f"{owner}: augment", ("shape",))
        with_shape = {**augment, "shape": tuple(augment["shape"])}
        options["augment"] = _built(f"{owner}: augment", random_affine, **with_shape)
    if "patience" in options and "validation" not in data:
        raise RanvierError(f"{owner}: training.patience needs data.validation; give it, or leave patience out")
    seed = found.get("seed", 0)
    model = _model(owner, path.parent, found, seed)
    return Config(model, {name: path.parent / file for name, file in data.items()}, {**options, "seed": seed}, seed,
                  found.get("threads", 1))


def _built(owner: str, make: Any, *arguments: Any, **options: Any) -> Any:
    """What ``make`` makes; its errors name the table."""
    try:
        return make(*arguments, **options)
    except RanvierError as error:
        raise RanvierError(f"{owner}: {error}") from None


def _model(owner: str, folder: Path, found: Mapping[str, Any], seed: int) -> Network:
    network = found["network"]
    if "start" in network:
        for name in ("populations", "projections"):
            if name in found:
                raise RanvierError(f"{owner}: {name}: network.start has them already; leave one of both out")
        options = read_fields(network, _START, f"{owner}: network")
        start = load_network(folder / options.pop("start"))
        model: Network = _built(f"{owner}: network", from_network, _replaced(owner, start, found.get("replace", {})), **options)
        return model
    for name in ("populations", "projections"):
        if name not in found:
            raise RanvierError(f"{owner}: {name} is missing; give [[{name}]], or network.start, a network file")
    if "replace" in found:
        raise RanvierError(f"{owner}: replace is for network.start; give the parameters in [[populations]]")
    options = read_fields(network, _FORMAT, f"{owner}: network")
    populations = [_population(f"{owner}: populations[{n}]", values) for n, values in enumerate(found["populations"])]
    projections = [_projection(f"{owner}: projections[{n}]", values) for n, values in enumerate(found["projections"])]
    return Network(populations, projections, seed=seed, **options)    # its errors name population or projection


def _replaced(owner: str, network: IntegerNetwork, changes: Mapping[str, Any]) -> IntegerNetwork:
    """``network`` with other integer parameters: ``[replace.POPULATION]``."""
    for name in changes:
        if name not in network.by_name:
            raise RanvierError(f"{owner}: replace.{name}: there is no such population; there are {', '.join(network.by_name)}")
    populations = []
    for population in network.populations:
        names = _integer_names(population.kind)
        given = read_fields(changes.get(population.name, {}), dict.fromkeys(names, _INTEGER), f"{owner}: replace.{population.name}")
        populations.append(replace(population, parameters={**population.parameters, **given}))
    return replace(network, populations=tuple(populations))


def _integer_names(kind: str) -> list[str]:
    """Names of the integer parameters of a kind."""
    neuron = find_kind(kind)
    assert neuron is not None
    return [p.name for p in family_of(kind).parameters if p.name not in neuron.constants]


def _population(owner: str, values: Mapping[str, Any]) -> Population:
    kind = read_fields({"kind": values.get("kind")}, {"kind": choice(*_KINDS)}, owner)["kind"]
    make = _KINDS[kind]
    every: dict[str, Field] = {
        "name": word, "shape": _SHAPE, "semantics": table, "scale": numbers(number(0, above=True)), "per_channel": truth,
        "theta": numbers(_INTEGER), "learn_scale": truth, **{name: numbers(number()) for name in _LEARNED},
        **{f"learn_{name}": truth for name in _LEARNED}}
    taken = [name for name, p in inspect.signature(make).parameters.items() if p.kind is not p.VAR_KEYWORD]
    known = {"kind": word} | {name: every[name] for name in taken}
    known |= {name: numbers(_INTEGER) for name in _integer_names(kind) if name not in ("theta", "bias", "k", "k_i")}
    found = read_fields(values, known, owner, ("name", "shape"))
    del found["kind"]
    if isinstance(found["shape"], list):
        found["shape"] = tuple(found["shape"])
    if "semantics" in found:
        found["semantics"] = Semantics(**read_fields(found["semantics"], _SEMANTICS, f"{owner}.semantics"))
    made: Population = _built(owner, make, **found)
    return made


def _projection(owner: str, values: Mapping[str, Any]) -> Projection:
    convolution = values.get("kind") == "conv2d"
    learned = isinstance(values.get("delay"), Mapping)
    known = {**_PROJECTION, "delay": table if learned else whole(0, MAX_DELAY), **(_CONV if convolution else {})}
    found = read_fields(values, known, owner, ("source", "destination", *(("kernel",) if convolution else ())))
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items() if name != "kind"}
    if learned:
        delays = read_fields(found["delay"], _DELAY, f"{owner}.delay", ("most",))
        if "sigma" in delays:
            delays["sigma"] = tuple(delays["sigma"])
        found["delay"] = _built(f"{owner}.delay", Delays, **delays)
    made: Projection = _built(owner, Conv2d if convolution else Dense, **found)
    return made
