"""`ranvier energy`: what a sample costs in a network and in its twins, by a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bitstream.room import check_fabric, check_weights, fits
from ..boards import find_board
from ..convert.answer import judge
from ..convert.samples import input_values, range_note
from ..energy.compare import break_even, difference, verdict_of
from ..energy.counts import Run, count_run, parameters_of
from ..energy.statistics import wilson
from ..energy.table import Setting, Table, Term, find_table, total
from ..energy.twins import conventional_size, graded_bits, graded_twin, macs_of, values_for
from ..energy.up5k import predict_syntzulu
from ..files.archive import Archive
from ..files.folder import result_folder
from ..files.input_mapping import input_mapping_of
from ..files.labels import read_labels
from ..files.network import load_network
from ..files.safe import shown, write_atomic, write_json
from ..files.samples import Samples, load_samples
from ..frontends.conventional import Conventional
from ..frontends.onnx import load_onnx
from ..mapping.mapper import map_network, tailor
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig, least_word_bits
from ..model.fabric.placement import Placement
from ..model.network.network import Network
from ..progress import bar
from ..runs import inputs_of
from .answers import Answers
from .build import choose_cores, ticks_of

__all__ = ["ENERGY_FILES", "EnergyOptions", "energy_report", "write_energy"]

#: What ``energy -o`` writes.
ENERGY_FILES = frozenset({"energy.json", "energy.md", "energy.png"})
#: Samples of a conventional network that are in memory at once.
_BATCH = 500
#: Yan, Bai, Tang, Wong: arXiv 2409.08290, version 4.
_PUBLISHED = {"source": "Yan et al., arXiv 2409.08290v4", "ticks": 5, "spike_rate": 0.057}


@dataclass(frozen=True)
class EnergyOptions:
    """What the command line says. ``ticks``: one or several numbers of steps; without any, powers of two up to the network's own."""

    network: Path
    samples: Path
    twins: tuple[Path, ...] = ()
    table: str = "horowitz-45nm"
    board: str | None = None
    clock_mhz: float | None = None
    cells: int | None = None
    rate: float | None = None
    ticks: tuple[int, ...] = ()
    limit: int | None = None
    cores: int | None = None
    calibrate: Path | None = None
    percentile: float = 99.9
    samples_key: str | None = None
    labels_key: str | None = None


@dataclass(frozen=True, eq=False)
class _Data:
    """Samples as the input neurons take them, (n, size) or (n, steps, size); ``samples`` is what the file had, where values are held."""

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    samples: Samples | None

    @property
    def steps(self) -> int | None:
        """Steps of each sample, where values come in each."""
        return self.inputs.shape[1] if self.inputs.ndim == 3 else None


def energy_report(options: EnergyOptions) -> dict[str, Any]:
    """Count, price and compare; the report as plain JSON values. Raises `RanvierError`."""
    return _Report(options).make()


def write_energy(output: Path, report: dict[str, Any]) -> None:
    """``energy.json``, ``energy.md`` and ``energy.png`` into a folder that appears whole or not at all."""
    from ..reports.energy import energy_markdown
    from ..reports.energy_plot import draw_energy
    with result_folder(output, ENERGY_FILES.issuperset) as folder:
        write_json(folder / "energy.json", report)
        write_atomic(folder / "energy.md", energy_markdown(report).encode())
        draw_energy(report, folder / "energy.png")


class _Report:
    """One report: the table, the board, the samples, and the rows so far."""

    def __init__(self, options: EnergyOptions) -> None:
        self.options = options
        self.table: Table = find_table(options.table)
        board = find_board(options.board or self.table.board)
        hertz = board.clock_hz if options.clock_mhz is None else options.clock_mhz * 1e6
        self.setting = Setting(board, hertz, options.cells)
        self.table.check(self.setting)
        self.network = _spiking(options.network)
        self.data = _load(options, self.network)
        self.notes: list[str] = []
        self.terms: dict[str, list[Term]] = {}
        self.like: FabricConfig | None = None

    def make(self) -> dict[str, Any]:
        """The report; first of all whatever could be refused."""
        placement = self._place(self.network, self.options.network)
        conventional, others = self._twins()
        if self.data.samples is not None:
            self.notes += range_note(self.data.samples, input_mapping_of(self.network), self.network.input_bits)
        if self.table.name == "ice40up5k" and self.options.cells is None:
            self.notes.append("whether the logic has room on the chip only 'ranvier build' says; --cells takes what it counts")
        if self.data.labels is None:
            self.notes.append(f"{shown(self.options.samples)}: there are no labels, so the accuracy is left out")
        steps = self._ticks()
        graded = self._graded(conventional, steps)
        rows = [self._spiking_row(f"T = {count}", placement, count) for count in steps]
        for bits, placed in graded.items():
            rows.append(self._spiking_row(f"graded, {bits} bits, T = 1", placed, 1, "graded"))
        for path, placed in others.items():
            rows.append(self._spiking_row(shown(path), placed, self.data.steps or ticks_of(placed.network), "twin"))
        rows.append(self._float_row(conventional))
        for row in rows:
            self._compare(row, rows)
        report: dict[str, Any] = {
            "network": shown(self.options.network), "input": shown(self.options.samples), "samples": len(self.data.inputs),
            "table": {"name": self.table.name, "version": self.table.version, "about": self.table.about},
            "board": self.setting.board.name, "clock_hz": self.setting.clock_hz, "rate": self.options.rate, "rows": rows,
            "published": _PUBLISHED, "notes": self.notes}
        if self.table.name == "ice40up5k":
            found, measured = predict_syntzulu()
            report["syntzulu"] = {"predicted_watts": found.to_json(), "measured_watts": measured, "inside": measured in found}
        return report

    def _ticks(self) -> tuple[int, ...]:
        own = self.data.steps
        if own is not None:
            if any(count != own for count in self.options.ticks):
                raise RanvierError(f"{shown(self.options.samples)}: its samples have {own} steps each; leave --ticks out")
            return (own,)
        if self.options.ticks:
            return tuple(dict.fromkeys(self.options.ticks))
        most = ticks_of(self.network)
        return tuple(sorted({1 << n for n in range(most.bit_length()) if 1 << n <= most} | {most})) if self.network.spike_bits == 1 \
            else (most,)

    # Networks

    def _place(self, network: Network, path: Path | str) -> Placement:
        """The network on a fabric of the board that is tailored to it, of as many cores and lanes as the first one's."""
        board, base = self.setting.board, self.setting.board.fabric
        if self.like is not None:
            base = base.replace(cores=self.like.cores)
        elif self.options.cores is not None:
            base = base.replace(cores=self.options.cores)
        widest = max(base.core.sweep_lanes, base.input.sweep_lanes)
        try:
            if self.like is None or self.table.of_chip:
                check_weights(board, network)
            base = base.replace(spike_bits=network.spike_bits,
                                word_bits=max(base.word_bits, least_word_bits(base.cores, widest, network.spike_bits)))
            fixed = self.like is not None or self.options.cores is not None
            config = tailor(network, base) if fixed else choose_cores(network, base, lambda fabric: fits(board, fabric))
            if self.like is None or self.table.of_chip:
                check_fabric(board, config, tailored=True)
            elif not fits(board, config):
                self.notes.append(f"{shown(path)}: it is counted on as many cores as the others, which with it do not fit {board.title}")
            placement = map_network(network, config)
        except RanvierError as error:
            raise RanvierError(f"{shown(path)}: {error}") from error
        self.like = self.like or config
        return placement

    def _twins(self) -> tuple[Conventional | None, dict[Path, Placement]]:
        """The conventional network among the twins, and the spiking ones on their fabrics."""
        conventional, others = None, {}
        size = self.network.inputs[0].size
        for path in self.options.twins:
            if path.suffix.lower() == ".onnx":
                if conventional is not None:
                    raise RanvierError(f"{shown(path)}: there is a conventional twin already; give one ONNX file")
                conventional = load_onnx(path)
                found = conventional.input_size
            else:
                twin = _spiking(path)
                found = twin.inputs[0].size
                if found == size and twin.input_bits != self.network.input_bits:
                    raise RanvierError(f"{shown(path)}: its inputs have {twin.input_bits} bits, those of {shown(self.options.network)} "
                                       f"{self.network.input_bits}: a twin takes the same samples")
            if found != size:
                raise RanvierError(f"{shown(path)}: it has {found} inputs, {shown(self.options.network)} has {size}: a twin takes the same "
                                   "samples")
            if path.suffix.lower() != ".onnx":
                others[path] = self._place(twin, path)
        return conventional, others

    def _graded(self, conventional: Conventional | None, steps: Sequence[int]) -> dict[int, Placement]:
        """The graded twins by their bits."""
        if self.network.spike_bits > 1:
            return {}
        if conventional is None:
            self.notes.append("there is no graded twin: it is made from the conventional network; give that with --twin MODEL.onnx")
            return {}
        if self.data.steps is not None:
            self.notes.append("there is no graded twin of T = 1: the samples change from step to step")
            return {}
        calibration = None if self.options.calibrate is None else load_samples(self.options.calibrate, conventional.input_size)
        found: dict[int, Placement] = {}
        for bits in dict.fromkeys(graded_bits(count) for count in steps):
            if bits == 1:    # the network at T = 1 is that twin
                continue
            if bits > 8:
                self.notes.append(f"there is no graded twin of {bits} bits: spikes have up to 8")
                continue
            try:
                twin = graded_twin(conventional, self.network, bits, calibration, self.options.percentile, self.data.inputs)
            except RanvierError as error:
                text = str(error).replace("calibration=...", "--calibrate FILE")
                raise RanvierError(f"energy: the graded twin of {bits} bits: {text}") from error
            try:
                found[bits] = self._place(twin, f"graded twin of {bits} bits")
            except RanvierError as error:
                self.notes.append(f"left out: {error}")
        return found

    # Rows

    def _spiking_row(self, name: str, placement: Placement, steps: int, kind: str = "spiking") -> dict[str, Any]:
        network = placement.network
        values = self.data.inputs if self.data.samples is None else input_values(
            self.data.samples, input_mapping_of(network), network.input_bits)
        with bar(f"count {name}", len(values)) as update:
            run = count_run(placement, inputs_of(network, values), steps, progress=update)
        terms = self.terms[name] = self.table.terms(run, self.setting)
        seconds = run.clocks / run.samples / self.setting.clock_hz
        judged: dict[str, Any] = {}
        if run.readouts is not None and self.data.labels is not None:
            judged, notes = Answers(network, run.readouts, steps, self.data.labels).figures()
            self.notes += [note for note in notes if note not in self.notes]
        return {
            "name": name, "kind": kind, "ticks": steps, "spike_bits": network.spike_bits, "weight_bits": network.weight_bits,
            "state_bits": network.state_bits, "fabric": placement.config.to_json(), **_accuracy(judged, run.samples),
            "parameters": parameters_of(network), "macs": macs_of(network), "spike_rate": run.spike_rate, "totals": run.to_json(),
            "clocks_per_sample": run.clocks / run.samples, "us_per_sample": seconds * 1e6, **self._link(run),
            "joules": _energy(terms), "terms": [term.to_json() for term in terms], **self._at_rate(terms, seconds, name)}

    def _float_row(self, conventional: Conventional | None) -> dict[str, Any]:
        """The float network: multiplications and additions, and what the table knows of them."""
        macs, parameters = (macs_of(self.network), parameters_of(self.network)) if conventional is None else conventional_size(conventional)
        macs *= self.data.steps or 1
        terms = self.terms["float"] = self.table.float_terms(macs, parameters)
        judged: dict[str, Any] = {}
        if conventional is None:
            self.notes.append("the conventional network is not given (--twin MODEL.onnx): its operations are those of the same shape, and "
                              "its accuracy is left out")
        elif self.data.samples is not None and self.data.labels is not None:
            values = values_for(conventional, self.network, self.data.samples)
            logits = np.concatenate([conventional.forward(values[n:n + _BATCH]) for n in range(0, len(values), _BATCH)])
            judged, _ = judge(conventional.answer, logits, self.data.labels)
        if not terms:
            self.notes.append(f"the table {self.table.name} has no energy of float operations; they are counted only")
        return {"name": "float", "kind": "float", "ticks": None, "spike_bits": None, "weight_bits": 32, "state_bits": 32, "fabric": None,
                **_accuracy(judged, len(self.data.inputs)), "parameters": parameters, "macs": macs, "spike_rate": None, "totals": None,
                "clocks_per_sample": None, "us_per_sample": None, "joules": _energy(terms) if terms else None,
                "terms": [term.to_json() for term in terms]}

    def _link(self, run: Run) -> dict[str, Any]:
        """The line: bytes and time, for which no table has an energy."""
        count = run.line_bytes / run.samples
        return {"line_bytes_per_sample": count, "line_us_per_sample": count * 10 / self.setting.board.baud * 1e6}

    def _at_rate(self, terms: Sequence[Term], seconds: float, name: str) -> dict[str, Any]:
        """Power and energy where samples come at the stated rate, and the clock runs on between them."""
        rate = self.options.rate
        if rate is None:
            return {}
        if rate * seconds > 1:
            raise RanvierError(f"energy: --rate is {rate:g} samples a second; {name} takes {seconds * 1e6:.4g} us for one, at most "
                               f"{1 / seconds:.6g} a second: use a lower rate")
        idle = {kind: total(terms, kind=kind).times(1 / seconds) for kind in ("static", "clock")}
        moving = total(terms, kind="dynamic").times(rate)
        watts = idle["static"] + idle["clock"] + moving
        return {"at_rate": {"watts": {"static": idle["static"].to_json(), "clock": idle["clock"].to_json(), "dynamic": moving.to_json(),
                                      "total": watts.to_json()}, "joules": watts.times(1 / rate).to_json()}}

    def _compare(self, row: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        """Beside the graded twin that says as much in one step, or else the first twin that was given."""
        if row["kind"] != "spiking" or row["spike_bits"] != 1 or row["ticks"] == 1:
            return
        graded = [r for r in rows if r["kind"] == "graded" and r["spike_bits"] == graded_bits(row["ticks"])]
        other = next(iter([*graded, *(r for r in rows if r["kind"] == "twin")]), None)
        if other is None:
            return
        one, two = self.terms[row["name"]], self.terms[other["name"]]
        beyond, rate = difference(one, two), break_even(one, two, row["spike_rate"])
        row |= {"against": other["name"], "difference_joules": beyond.to_json(), "verdict": verdict_of(beyond),
                "break_even_spike_rate": None if rate is None else rate.to_json()}


def _spiking(path: Path) -> Network:
    network = load_network(path)
    if len(network.inputs) != 1:
        raise RanvierError(f"{shown(path)}: the network has {len(network.inputs)} input populations; samples can drive exactly one")
    return network


def _load(options: EnergyOptions, network: Network) -> _Data:
    """Samples of values that are held; or spikes in time order, [steps, samples, ...] as ``encode`` writes them."""
    path, size = options.samples, network.inputs[0].size
    spikes = _spikes(path, size, options.limit) if path.suffix.lower() == ".npz" and options.samples_key in (None, "spikes") else None
    if spikes is not None:
        return spikes
    samples = load_samples(path, size, samples_key=options.samples_key, labels_key=options.labels_key, limit=options.limit)
    values = input_values(samples, input_mapping_of(network), network.input_bits)
    return _Data(values, samples.labels, samples)


def _spikes(path: Path, size: int, limit: int | None) -> _Data | None:
    archive = Archive(path)
    if "spikes.npy" not in archive.names:
        return None
    found = archive.array("spikes.npy")
    if found.ndim < 3 or int(np.prod(found.shape[2:])) != size or found.dtype.kind == "f":
        raise RanvierError(f"{shown(path)}: spikes: {found.dtype} of shape {found.shape}; they must be whole numbers [steps, samples, "
                           f"...] with {size} values in a step")
    values = found.reshape(*found.shape[:2], size).swapaxes(0, 1)[:limit]
    labels = None
    if "labels.npy" in archive.names:
        labels = read_labels(archive.array("labels.npy"), found.shape[1], f"{shown(path)}: labels")[:limit]
    return _Data(values.astype(np.uint8) if values.dtype.kind == "b" else values, labels, None)


def _accuracy(judged: dict[str, Any], samples: int) -> dict[str, Any]:
    """Accuracy with its interval; whatever else was found stays as it is."""
    if "accuracy" not in judged:
        return {"accuracy": None, **{name: value for name, value in judged.items() if name != "answer"}}
    share = judged["accuracy"]
    return {"accuracy": share, "accuracy_95": wilson(round(share * samples), samples).to_json()}


def _energy(terms: Sequence[Term]) -> dict[str, Any]:
    """Joules of a sample: all, by part, and by kind."""
    return {"total": total(terms).to_json(),
            "parts": {part: total(terms, part=part).to_json() for part in ("network", "encoder", "link")},
            "kinds": {kind: total(terms, kind=kind).to_json() for kind in ("static", "clock", "dynamic")}}
