"""The mapper: places populations on cores, and proves that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import LEAST_CORE, LEAST_FABRIC, LEAST_INPUT, FabricConfig
from ranvier.model.fabric.layout import Op
from ranvier.model.fabric.parameters import drive_words, dynamics_words
from ranvier.model.fabric.placement import Loop, Part, Placement, Row, Segment
from ranvier.model.limits import MAX_DELAY
from ranvier.model.network.headroom import prove_headroom
from ranvier.model.network.levels import Schedule, schedule
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population

from .layouts import Layouts
from .looping import ended, repeated
from .scans import Scans

__all__ = ["map_network", "roomy", "row_work", "tailor"]


def map_network(network: Network, config: FabricConfig, activity: Mapping[str, float] | None = None) -> Placement:
    """Place ``network`` on a fabric.

    Every row of every population goes to the core with the least expected work that has weight memory left for
    it; ``activity`` gives the expected spikes of a neuron in a step, by population (1 where it does not say). Rows
    of one population on one core are consecutive neurons. Raises `RanvierError` where the number format differs,
    the headroom cannot be proved, or a memory is too small; the message says what would help.
    """
    _check_format(network, config)
    _check_options(network, config)
    prove_headroom(network)
    plan = schedule(network)
    layouts = Layouts(network, config.core.lanes)
    _check_windows(network, config, layouts)
    counts = _assign(network, layouts, config, activity or {})
    parts = _place_parts(network, layouts, config, plan, counts)
    cores = [_core_rows(network, layouts, config, plan, parts, core) for core in range(config.cores)]
    placement = Placement(network, config, plan, parts, (*(rows for rows, _ in cores), _input_rows(network, config, plan, parts)),
                          tuple(loops for _, loops in cores))
    _check_depths(placement)
    return placement


def roomy(network: Network, config: FabricConfig) -> FabricConfig:
    """``config`` with the network's number format and options, and depths for any network that can be placed."""
    options = network.options
    return config.replace(
        state_bits=network.state_bits, weight_bits=network.weight_bits, input_bits=network.input_bits, rounding=network.rounding,
        neurons=_families(network, config)[0], spike_bits=options.spike_bits, next_tick=int(options.next_tick),
        currents=int(options.currents), random=int(options.random), windows=int(bool(Layouts(network, config.core.lanes).convolutions)),
        levels=64, delays=MAX_DELAY, spike_depth=1 << 14, doubling=1,
        core={"program_depth": 4096, "row_depth": 1024, "weight_depth": 1 << 16, "state_depth": 1 << 14, "drive_depth": 1 << 14,
              "dynamics_depth": 1 << 14, "readout_depth": 1 << 14},
        input={"row_depth": 1024, "state_depth": 1 << 14, "drive_depth": 1 << 14, "dynamics_depth": 1 << 14})


def tailor(network: Network, config: FabricConfig) -> FabricConfig:
    """``config`` with the network's number format, and each depth made just large enough for the network."""
    most = roomy(network, config)
    need = _needs(map_network(network, most))
    depths = {unit: {name: max(need[f"{unit} {name}"], least) for name, least in leasts.items()}
              for unit, leasts in (("core", LEAST_CORE), ("input", LEAST_INPUT))}
    fabric = {name: max(need[f"fabric {name}"], least) for name, least in LEAST_FABRIC.items()}
    return most.replace(**depths, **fabric)


def _check_format(network: Network, config: FabricConfig) -> None:
    for name in ("state_bits", "weight_bits", "input_bits", "rounding"):
        asked, given = getattr(network, name), getattr(config, name)
        if asked != given:
            option = f" with --{name.replace('_', '-')} {given}" if name in ("state_bits", "weight_bits") else ""
            raise RanvierError(f"fabric: {name} is {given}, the network was made for {asked}: convert it again{option}, "
                               "or choose another fabric")
    families = _families(network, config)
    if len(families) > 1:
        raise RanvierError(f"network: it mixes {' and '.join(families)} neurons, and the cores of a fabric compute one family: make a "
                           "network of each, or run it in the model alone with ranvier.simulate")
    for family in families:
        if family != config.neurons:
            raise RanvierError(f"fabric: its cores compute {config.neurons} neurons, the network has {family}: choose another fabric")


def _check_options(network: Network, config: FabricConfig) -> None:
    """Raises `RanvierError` where the network needs what the fabric was built without."""
    if network.spike_bits != config.spike_bits:
        raise RanvierError(f"fabric: spike_bits is {config.spike_bits}; the network's spikes have {network.spike_bits}: choose another "
                           f"fabric, or convert the network with --spike-bits {config.spike_bits}")
    for population in network.populations:
        rule = network.rule(population)
        for name, needed, why in (("next_tick", rule.next_tick, "resets in the next tick"),
                                  ("currents", rule.currents, "has synaptic currents"),
                                  ("random", population.family.draws(population.parameters), "draws random numbers")):
            if needed and not getattr(config, name):
                raise RanvierError(f"fabric: {name} is 0; population {population.name} {why}: use a fabric with {name} 1")


def _check_windows(network: Network, config: FabricConfig, layouts: Layouts) -> None:
    if layouts.convolutions and not config.windows:
        raise RanvierError(f"fabric: windows is 0; projection {layouts.convolutions[0].name} is a convolution: use a fabric with "
                           "windows 1")


def _families(network: Network, config: FabricConfig) -> list[str]:
    """Families of the populations on cores, the first one first; those of ``config`` where there is none."""
    return list(dict.fromkeys(p.family.name for p in network.populations if not p.driven)) or [config.neurons]


@dataclass
class _Load:
    """What a core has been given: expected work, weight words, and the kernels that it has."""

    work: float = 0.0
    weights: int = 0
    kernels: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Unit:
    """What a core takes of a population at once: a row, or a row of the image. ``own`` weight words are its own, ``shared`` ones are stored
    once a core."""

    neurons: int
    own: int
    shared: int
    work: float

    @property
    def words(self) -> int:
        return self.own + self.shared


def _unit(network: Network, layouts: Layouts, population: Population, activity: Mapping[str, float]) -> _Unit:
    line = layouts.line(population)
    own, shared, work = 0, 0, 1.0
    for projection in network.incoming(population.name):
        source = network.by_name[projection.source]
        chance = activity.get(source.name, 1.0)
        if line is None:
            own += layouts.bits(source)
            work += source.size * chance
        elif projection.is_dense(source, population):
            own += layouts.bits(source) * layouts.blocks(line)
            work += source.size * chance * layouts.blocks(line)
        else:
            window = layouts.window(projection)
            shared += sum(window.weight_words(block.pixels) for block in layouts.kinds(line))
            work += sum(window.weight_words(block.pixels) for block in layouts.row_blocks(line)) * chance
    return _Unit(line.neurons if line else layouts.lanes, own, shared, work)


def row_work(network: Network, layouts: Layouts, activity: Mapping[str, float]) -> dict[str, tuple[int, int, float]]:
    """Of each population on cores: how many rows it takes (of an image, its rows), neurons of one, and weight words that it expects of
    one in a step; ``activity`` is the expected number of set bits of a neuron's count."""
    units = {p.name: _unit(network, layouts, p, activity) for p in network.populations if not p.driven}
    return {name: (-(-network.by_name[name].size // unit.neurons), unit.neurons, unit.work) for name, unit in units.items()}


def _assign(network: Network, layouts: Layouts, config: FabricConfig, activity: Mapping[str, float]) -> dict[str, list[int]]:
    """Rows of each population on each core: the costliest populations first, each row to the core with least work.

    Of an image they are the image's rows.
    """
    loads = [_Load() for _ in range(config.cores)]
    units = {p.name: _unit(network, layouts, p, activity) for p in network.populations if not p.driven}
    counts: dict[str, list[int]] = {}
    on_cores = [p for p in network.populations if not p.driven]
    for population in sorted(on_cores, key=lambda p: -units[p.name].words):
        counts[population.name] = [0] * config.cores
        name, unit = population.name, units[population.name]
        rows = -(-population.size // unit.neurons)
        for row in range(rows):
            need = [unit.own + (0 if name in load.kernels else unit.shared) for load in loads]
            room = [n for n, load in enumerate(loads) if load.weights + need[n] <= config.core.weight_depth]
            if not room:
                total = sum(units[p.name].own * -(-p.size // units[p.name].neurons) + units[p.name].shared for p in on_cores)
                kilobits = layouts.lanes * config.weight_bits / 1e3
                raise RanvierError(
                    f"population {name}: the weight memories are full after {row} of its {rows} rows; a row needs "
                    f"{min(need)} words, the fullest fit is {config.core.weight_depth - min(c.weights for c in loads)} "
                    f"free; the network needs {total} words ({total * kilobits:,.0f} kbit), the fabric has {config.cores} x "
                    f"{config.core.weight_depth} ({config.cores * config.core.weight_depth * kilobits:,.0f} kbit): "
                    "use a larger weight_depth, more cores or more lanes")
            core = min(room, key=lambda n: loads[n].work)
            loads[core].work += unit.work
            loads[core].weights += need[core]
            loads[core].kernels.add(name)
            counts[name][core] += 1
    return counts


def _place_parts(network: Network, layouts: Layouts, config: FabricConfig, plan: Schedule,
                 counts: dict[str, list[int]]) -> dict[str, tuple[Part, ...]]:
    """Cut populations into parts, and give each spiking part its spike words in all delay slots."""
    parts: dict[str, tuple[Part, ...]] = {}
    free = 0
    for population in network.populations:
        outgoing = [plan.delay(q) for q in network.projections if q.source == population.name]
        slots_log2 = max(outgoing, default=1).bit_length()   # the least power of two above the longest delay
        found = []
        first_word = 0
        for unit, start, stop in _cuts(population, layouts, config, counts):
            part = Part(population.name, unit, start, stop, free if population.spiking else 0, slots_log2, first_word, config.word_bits,
                        layouts.line(population))
            first_word += part.words
            free += part.words * config.spike_bits << slots_log2 if population.spiking else 0
            found.append(part)
        parts[population.name] = tuple(found)
    if free > config.spike_depth:
        raise RanvierError(f"fabric: spike_depth is {config.spike_depth}; the network's spike words with their delay slots need "
                           f"{free}: use a larger spike_depth or shorter delays")
    return parts


def _cuts(population: Population, layouts: Layouts, config: FabricConfig, counts: dict[str, list[int]]) -> list[tuple[int, int, int]]:
    if population.driven:
        return [(config.cores, 0, population.size)]
    line = layouts.line(population)
    cuts, start = [], 0
    for core, rows in enumerate(counts[population.name]):
        stop = min(start + rows * (line.neurons if line else layouts.lanes), population.size)
        if stop > start:
            cuts.append((core, start, stop))
            start = stop
    return cuts


def _emits(offset: int, groups: int, sweep_lanes: int, word_bits: int, flush: bool) -> tuple[int, ...]:
    """Groups of a row that complete a spike word; the row begins ``offset`` positions into its part."""
    per_word = word_bits // sweep_lanes
    position = offset % word_bits // sweep_lanes
    full = [g for g in range(groups) if (position + g) % per_word == per_word - 1]
    if flush and (not full or full[-1] != groups - 1):
        full.append(groups - 1)
    return tuple(full)


def _row(network: Network, config: FabricConfig, plan: Schedule, part: Part, positions: range, flush: bool, state_base: int,
         segments: tuple[Segment, ...]) -> Row:
    """The row of ``positions`` of a part; ``flush``: its last word leaves with it."""
    population = network.by_name[part.population]
    lanes = config.part(population.neuron.unit).sweep_lanes
    groups = -(-len(positions) // lanes)
    emits = _emits(positions.start, groups, lanes, config.word_bits, flush) if population.spiking else ()
    start, stop = (part.start + int(n) for n in part.neurons_before([positions.start, positions.stop]))
    hold = max(groups, config.nodes * len(emits) * config.spike_bits)
    return Row(part, start, stop, positions.start, groups, hold, plan.level[population.name], population.spiking, flush, state_base,
               segments, emits)


def _core_rows(network: Network, layouts: Layouts, config: FabricConfig, plan: Schedule, parts: dict[str, tuple[Part, ...]],
               core: int) -> tuple[tuple[Row, ...], tuple[Loop, ...]]:
    """Rows in program order, and which of them are repeated.

    Spiking ones come first, the costliest at the head, so that what follows hides their sweeps.
    """
    def order(part: Part) -> tuple[bool, int]:
        sources = sum(network.by_name[q.source].size for q in network.incoming(part.population))
        return (not network.by_name[part.population].spiking, -sources)

    rows: list[Row] = []
    loops: list[Loop] = []
    scans = Scans(network, layouts, plan, parts)
    for part in sorted((p for found in parts.values() for p in found if p.unit == core), key=order):
        pitch, bits = part.line_words * config.word_bits, part.line.bits if part.line else part.neurons
        cuts = [(begin, min(begin + config.core.lanes, bits)) for begin in range(0, bits, config.core.lanes)]
        slots = [[scans.of(part, line, begin, end) for begin, end in cuts] for line in range(part.lines)]
        lines = repeated(network, part, slots) if config.windows and part.line else None
        if lines:
            loops.append(Loop(len(rows), len(cuts), len(lines)))
        for line, segments in enumerate(lines or [[ended(row) for row in line] for line in slots]):
            for (begin, end), found in zip(cuts, segments, strict=True):
                positions = range(line * pitch + begin, line * pitch + end)
                rows.append(_row(network, config, plan, part, positions, end == bits, 0, found))
    return _with_states(rows), tuple(loops)


def _with_states(rows: list[Row]) -> tuple[Row, ...]:
    """Rows with their membranes' places; readouts lie first, so that the readout memory need not be as deep as the state's."""
    state, bases = 0, {}
    for n in sorted(range(len(rows)), key=lambda n: rows[n].spiking):
        bases[n] = state
        state += rows[n].groups
    return tuple(replace(row, state_base=bases[n]) for n, row in enumerate(rows))


def _input_rows(network: Network, config: FabricConfig, plan: Schedule, parts: dict[str, tuple[Part, ...]]) -> tuple[Row, ...]:
    """A row for each input population; of an image all of its words, for each line begins at one."""
    rows: list[Row] = []
    state = 0
    for population in network.inputs:
        (part,) = parts[population.name]
        positions = range(part.words * config.word_bits if part.line else part.neurons)
        rows.append(_row(network, config, plan, part, positions, True, state, ()))
        state += rows[-1].groups
    return tuple(rows)


def _needs(placement: Placement) -> dict[str, int]:
    """Words that each memory needs, on the unit that needs most."""
    cores, inputs = placement.units[:-1], placement.units[-1]
    network = placement.network

    layouts = Layouts(network, placement.config.core.lanes)

    def weights(core: int) -> int:
        found = [(part, _unit(network, layouts, network.by_name[part.population], {}))
                 for parts in placement.parts.values() for part in parts if part.unit == core]
        return sum(unit.shared + unit.own * -(-part.neurons // unit.neurons) for part, unit in found)

    stored = [placement.stored_rows(core) for core in range(len(cores))]
    spiking = [part for name, parts in placement.parts.items() if network.by_name[name].spiking for part in parts]
    return {
        "core program_depth": max(sum(len(row.segments) for row, _ in rows) + 1 for rows in stored),
        "core row_depth": max(len(rows) for rows in stored),
        "core weight_depth": max(weights(core) for core in range(len(cores))),
        "core state_depth": max(sum(row.groups for row in rows) for rows in cores),
        "core drive_depth": max(len(drive_words(placement, n).words) for n in range(len(cores))),
        "core dynamics_depth": max(len(dynamics_words(placement, n).words) for n in range(len(cores))),
        "core readout_depth": max(sum(row.groups for row in rows if not row.spiking) for rows in cores),
        "input row_depth": len(inputs),
        "input state_depth": sum(row.groups for row in inputs),
        "input drive_depth": len(drive_words(placement, len(cores)).words),
        "input dynamics_depth": len(dynamics_words(placement, len(cores)).words),
        "fabric doubling": int(any(s.op == Op.DOUBLE for rows in cores for row in rows for s in row.segments)),
        "fabric levels": placement.schedule.depth + 1,
        "fabric delays": max((max(p.delay, placement.schedule.delay(p)) for p in network.projections), default=1),
        "fabric spike_depth": sum(part.words * placement.config.spike_bits << part.slots_log2 for part in spiking),
    }


def _check_depths(placement: Placement) -> None:
    config = placement.config
    owners = {"core": config.core, "input": config.input, "fabric": config}
    for name, need in _needs(placement).items():
        owner, depth = name.split()
        have = getattr(owners[owner], depth)
        if need > have and depth == "doubling":
            raise RanvierError("fabric: doubling is 0; the network needs 1, for it has weight exponents: use a fabric with doubling")
        if need > have:
            help_ = "use a larger one or more cores" if owner == "core" else "use a larger one"
            raise RanvierError(f"{owner}: {depth} is {have}; the network needs {need}: {help_}")
