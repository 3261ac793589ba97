"""The command line. A user's mistake ends in one line on standard error and exit code 2."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from . import __version__
from .files.safe import shown
from .model.errors import RanvierError
from .processes import Stopped, stopped_by_signals

__all__ = ["main"]

_EXISTING = click.Path(path_type=Path)
_LANES = [str(1 << n) for n in range(2, 9)]
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def main() -> None:
    """Entry point: run the command, and turn errors that a user can mend into one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")    # a name that the terminal cannot show is no reason to fail
    try:
        with stopped_by_signals():
            _run()
    except Stopped as stopped:
        _fail("stopped", code=128 + stopped.number)


def _run() -> None:
    try:
        cli.main(standalone_mode=False)
    except RanvierError as error:
        _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "ranvier"
        _fail(f"{error.format_message()} (see '{where} --help')")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        _fail(f"{shown(error.filename) if isinstance(error.filename, str) else 'file system'}: {error.strerror or error}")
    except MemoryError:
        _fail("there is not enough memory for this; use a smaller network, fewer inputs (--limit) or a machine with more")


def _fail(message: str, code: int = 2) -> NoReturn:
    """One line on standard error, with ``--json`` also an object on standard output, and the exit code."""
    line = " ".join(message.split())
    words = sys.argv[1:]
    if "--json" in words[:words.index("--") if "--" in words else None]:
        _show({"error": {"message": line, "exit_code": code}})
    click.echo(line if code != 2 else f"error: {line}", err=True)
    sys.exit(code)


def _show(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, allow_nan=False))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ranvier")
def cli() -> None:
    """Spiking neural networks on FPGAs with open tools, and the same spikes at every stage.

    \b
    From a trained network to compared hardware:
      ranvier convert digits.onnx --calibrate calibration.npz --ticks 4 -o digits.ranvier
      ranvier run digits.ranvier --on rtl: --input test.npz --compare golden: -o out
      ranvier report out

    'ranvier demo' does all of it with handwritten digits that come with the project.
    """


@cli.command("convert")
@click.argument("model", type=_EXISTING)
@click.option("-o", "--output", type=_EXISTING, required=True, help="The .ranvier file to write.")
@click.option("--head", metavar="NAME", help="The ONNX output to convert, where the file has several.")
@click.option("--calibrate", type=_EXISTING,
              help="Samples (npz, npy or csv) for the thresholds of Relu layers and for the accuracy; labels in it are used.")
@click.option("--samples", "samples_key", metavar="KEY", help="Name of the samples in the file, where it is not a usual one.")
@click.option("--labels", "labels_key", metavar="KEY", help="Name of the labels in the file, where it is not a usual one.")
@click.option("--ticks", default=4, show_default=True, type=click.IntRange(1, 65535),
              help="Steps for which the readout has room and the errors are reported.")
@click.option("--weight-bits", default="4", show_default=True, type=click.Choice(["2", "4", "8", "16"]),
              help="Bits of a signed weight.")
@click.option("--state-bits", default=16, show_default=True, type=click.IntRange(12, 32), help="Bits of a membrane.")
@click.option("--spike-bits", default=1, show_default=True, type=click.IntRange(1, 8),
              help="Bits of the count that a spike carries; with more than 1 and --ticks 1 a conventional network of rounded activations.")
@click.option("--percentile", default=99.9, show_default=True, type=click.FloatRange(50, 100),
              help="Share of a Relu's activations (those of 0 left out) that are below its threshold.")
@click.option("--input-range", type=float, nargs=2, metavar="LOW HIGH",
              help="Range of the values in samples, for the conventional network too; without it 0 to 1 for floats, 0 to 255 for integers.")
@click.option("--mean", metavar="NUMBERS",
              help="Mean that was subtracted in training: one number, or one for each channel or value, as 0.1,0.2.")
@click.option("--std", metavar="NUMBERS", help="What was divided by in training, after --mean; in the units of --input-range.")
@click.option("--answer", type=click.Choice(["class", "binary", "value"]),
              help="What the outputs mean: a value for each class, one value whose sign tells two classes apart, or values (regression).")
@_AS_JSON
def convert_command(model: Path, output: Path, head: str | None, calibrate: Path | None, samples_key: str | None, labels_key: str | None,
                    ticks: int, weight_bits: str, state_bits: int, spike_bits: int, percentile: float,
                    input_range: tuple[float, float] | None, mean: str | None, std: str | None, answer: str | None, as_json: bool) -> None:
    """Turn a conventional network (ONNX) into a spiking one.

    Dense layers and convolutions with Relu or Clip become populations of integrate-and-fire neurons with soft reset; weights are
    quantised with a scale for each output channel. The first table says what is left of the accuracy, from the
    calibration samples: by their labels or, without any, by how often both networks agree.

    \b
    Examples:
      ranvier convert examples/digits/digits.onnx --calibrate examples/digits/calibration.npz --ticks 4 -o digits.ranvier
      ranvier convert mnist.onnx --calibrate train.npz --mean 0.1307 --std 0.3081 -o mnist.ranvier
    """
    from .commands.convert import ConvertOptions, accuracy_rows, as_options, conversion_json, convert_file, numbers
    from .convert.report import ConversionReport
    from .reports.tables import print_rows
    conversion = convert_file(model, output, ConvertOptions(
        head, calibrate, samples_key, labels_key, ticks, int(weight_bits), state_bits, percentile, input_range, numbers("mean", mean),
        numbers("std", std), answer, spike_bits))
    report = conversion.report
    if as_json:
        _show(conversion_json(conversion, output))
        return
    title = f"{model} -> {output}, {weight_bits}-bit weights"
    rows = accuracy_rows(report)
    if rows:
        print_rows(title, ("figure", "value"), rows)
        title = f"errors of the layers at {ticks} ticks"
    for line in report.advice_lines():
        click.echo(f"advice: {as_options(line)}")
    for note in report.notes:
        click.echo(f"note: {as_options(note)}")
    print_rows(title, ConversionReport.header(), report.rows())
    click.echo(f"worst layer: {report.worst}")
    for population in conversion.network.populations:
        rule = ", ".join(f"{key} {value}" for key, value in population.semantics.to_json().items())
        click.echo(f"semantics of {population.name} ({population.kind}): {rule if population.spiking else 'no spikes'}")


@cli.group("import")
def import_group() -> None:
    """Take a spiking network from another tool's files, neuron by neuron.

    \b
    Example (each has --help and --json):
      ranvier import ranc cores.json --equality simulator -o ranc.ranvier
    """


@import_group.command("ranc")
@click.argument("source", metavar="CORES.json|FOLDER", type=_EXISTING)
@click.option("-o", "--output", type=_EXISTING, required=True, help="The .ranvier file to write.")
@click.option("--equality", type=click.Choice(["rtl", "simulator"]), required=True,
              help="What a membrane at the negative threshold does: nothing as in RANC's RTL, or the reset as in its simulator.")
@click.option("--grid", type=click.IntRange(1, 512), nargs=2, metavar="X Y", help="Columns and rows of cores; a folder of images needs it.")
@click.option("--output-bus", type=int, nargs=3, metavar="X Y N", help="Place of the output bus and its outputs, where the file has none.")
@click.option("--packets", type=_EXISTING, help="JSON with the host's packets, where the file has none.")
@click.option("--ticks", type=click.IntRange(1, 65535), help="Run the network so long with the packets, for --lines and --sent.")
@click.option("--lines", type=_EXISTING, help="Text to write: the output bus in each tick, as RANC's simulator does.")
@click.option("--sent", type=_EXISTING, help="JSON to write: the packets that neurons send, a list for each tick.")
@_AS_JSON
def import_ranc_command(source: Path, output: Path, equality: str, grid: tuple[int, int] | None, output_bus: tuple[int, int, int] | None,
                        packets: Path | None, ticks: int | None, lines: Path | None, sent: Path | None, as_json: bool) -> None:
    """Import a network of RANC: its simulator's JSON, or a folder of csram_NNN.mem and tc_NNN.mem.

    Each core becomes a population of TrueNorth neurons. Membranes have 20 bits; those of RANC's RTL have 9 and wrap.

    \b
    Examples:
      ranvier import ranc cores.json --equality simulator -o ranc.ranvier --ticks 100 --lines bus.txt --sent packets.json
      ranvier import ranc images/ --equality rtl --grid 4 2 --output-bus 3 0 250 -o ranc.ranvier
    """
    from .commands.ranc import RancOptions, import_ranc, ranc_rows
    from .reports.tables import print_rows
    report = import_ranc(source, output, RancOptions(equality, grid, output_bus, packets, ticks, lines, sent))
    if as_json:
        _show(report)
    else:
        print_rows(f"{source} -> {output}", ("figure", "value"), ranc_rows(report))


@cli.command("encode")
@click.argument("encoder", metavar="ENCODER", type=click.Choice(
    ["rate", "latency", "phase", "burst", "population", "delta", "send_on_delta", "audio", "log_mel", "text", "events"]))
@click.argument("source", metavar="INPUT", type=_EXISTING)
@click.option("-o", "--output", type=_EXISTING, required=True, help="The npz file to write.")
@click.option("--steps", type=click.IntRange(1, 65535), help="Steps for which a value is held: rate, latency, phase, burst, population.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An option of the encoder, see above; as often as needed.")
@click.option("--samples", "samples_key", metavar="KEY", help="Name of the values in an npz file, where it is not a usual one.")
@click.option("--input-range", type=float, nargs=2, metavar="LOW HIGH",
              help="What values become 0 and 1; without it 0 and 1 for floats, 0 and 255 for integers.")
@click.option("--limit", type=click.IntRange(1), help="Encode the first samples only.")
@click.option("--raster", type=_EXISTING, help="A png to draw: step across, neuron up.")
@click.option("--sample", default=0, show_default=True, type=click.IntRange(0), help="Number of the sample that --raster draws.")
@_AS_JSON
def encode_command(encoder: str, source: Path, output: Path, steps: int | None, settings: tuple[str, ...], samples_key: str | None,
                   input_range: tuple[float, float] | None, limit: int | None, raster: Path | None, sample: int, as_json: bool) -> None:
    """Turn values, a sound, a text or events into spikes.

    ENCODER says how, INPUT is the file that it reads. The npz has the array 'spikes', time first: [steps, samples, ...], and labels
    where INPUT has them. docs/encoders.md says what each encoder does, what it costs in spikes and what it keeps.

    \b
    Values that are held, (samples, ...) in npz, npy or csv, with --steps:
      rate           how often      method=regular|bernoulli input_bits=8 v_init=127 seed=0 first_step=0
      latency        how early      threshold=0.01 tau=1 first_spike_time=0 clip=no normalize=no linear=no
      phase          which bits     period=STEPS
      burst          how many       most=5 isi_min=1 isi_max=N
      population     which neuron   neurons=8 beta=1.5 cutoff=0.1
    Values that change, [steps, ...] in npz, npy or csv:
      delta          a neighbour    threshold=0.1 padding=no off_spike=no
      send_on_delta  what was sent  threshold=0.1 padding=no most=N
    A sound, wav of any rate and width (needs ranvier[audio]):
      audio          16 channels    b=12 b1=5 b2=4 eps=4 frame=16
      log_mel        values only    rate=16000 mels=40 window=512 hop=256 low=20 high=8000 range_db=80
    A text in UTF-8:
      text           runs of n      size=1024 n=3
    Events t, x, y, p in npy, npz or aedat4 (needs ranvier[events]); one of the first four:
      events         steps          time_window=N event_count=N n_time_bins=N n_event_bins=N
                                    overlap=0 include_incomplete=no filter_time=N time_factor=1
                                    spatial_factor=1 merge_polarities=no sensor_size=WxHxP

    \b
    Examples:
      ranvier encode rate examples/digits/mnist_test.npz --steps 16 --limit 10 -o spikes.npz --raster spikes.png
      ranvier encode rate pixels.npy --steps 16 --set method=bernoulli --set seed=7 -o spikes.npz
      ranvier encode latency pixels.npy --steps 20 --set normalize=yes --set linear=yes -o spikes.npz
      ranvier encode audio word.wav -o word.npz --raster word.png
      ranvier encode events drive.aedat4 --set time_window=10000 --set spatial_factor=0.25 -o drive.npz
    """
    from .commands.encode import EncodeOptions, encode_file, encode_rows
    from .reports.tables import print_rows
    report = encode_file(EncodeOptions(encoder, source, output, steps, settings, samples_key, input_range, limit, raster, sample))
    if as_json:
        _show(report)
        return
    print_rows(f"{encoder}: {source}", ("figure", "value"), encode_rows(report))
    for note in report["notes"]:
        click.echo(f"note: {note}")


@cli.command("train")
@click.argument("config", metavar="CONFIG", type=_EXISTING)
@click.option("-o", "--output", type=_EXISTING, required=True,
              help="Folder for network.ranvier, report.json, log.csv and the checkpoint of every epoch.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder, to the same result as a run that was not stopped.")
@click.option("--tensorboard", is_flag=True, help="Also write a log for TensorBoard (needs ranvier[tensorboard]).")
@_AS_JSON
def train_command(config: Path, output: Path, resume: bool, tensorboard: bool, as_json: bool) -> None:
    """Train the spikes themselves, to the bit.

    CONFIG is a TOML file that names samples, network and settings; docs/training.md lists its fields. Needs ranvier[train]. A run ends with
    the comparison of 32 samples with the model, every spike and every membrane, and with the accuracy on the test samples in both.

    \b
    Examples:
      ranvier train examples/digits/train_small.toml -o build/digits
      ranvier run build/digits/network.ranvier --input examples/digits/mnist_test.npz --on fabric: --compare golden: --limit 20
    """
    from .commands.train import TrainOptions, train_file, train_rows
    from .reports.tables import print_rows
    report = train_file(TrainOptions(config, output, resume, tensorboard))
    if as_json:
        _show(report)
        return
    print_rows(f"{config} -> {output}", ("figure", "value"), train_rows(report))


@cli.command("run")
@click.argument("network", type=_EXISTING)
@click.option("--on", "backend", default="golden:", show_default=True, metavar="TARGET",
              help="golden: (the model), rtl: (the whole device in simulation), serial:PORT (a board), or fabric: (the compiled fabric "
                   "without its link, every membrane).")
@click.option("--input", "samples", type=_EXISTING, required=True,
              help="Samples (npz, npy or csv), or spikes that 'encode' wrote; labels in it give the accuracy.")
@click.option("--samples", "samples_key", metavar="KEY", help="Name of the samples in the file, where it is not a usual one.")
@click.option("--labels", "labels_key", metavar="KEY", help="Name of the labels in the file, where it is not a usual one.")
@click.option("--ticks", type=click.IntRange(1, 65535), help="Steps of a window; without it those of the spikes, the conversion's, or 4.")
@click.option("--limit", type=click.IntRange(1), help="Run the first samples only.")
@click.option("--compare", type=click.Choice(["golden:"]),
              help="Compare everything that comes back with the model: readouts, spikes, counters, clocks.")
@click.option("--cores", type=click.IntRange(1, 16), help="Cores of the fabric, 2 without it; a board has its own.")
@click.option("--lanes", type=click.Choice(_LANES), help="Lanes of a core, 64 without it; a board has its own.")
@click.option("--tailor", "tailored", is_flag=True,
              help="Choose what --cores and --lanes leave open, and sweep lanes, for NETWORK and these samples, and say what is the limit.")
@click.option("--pixel-bits", type=click.Choice(["8", "4"]), help="4 sends pixels as 16 levels, in half the time.")
@click.option("--baud", type=click.IntRange(1), help="Rate of the line; without it the highest that works.")
@click.option("--inject-fault", is_flag=True, help="Flip one membrane bit on fabric:, to see a mismatch.")
@click.option("-o", "--output", type=_EXISTING, help="Folder for report.json, readouts.npz and, on a mismatch, the reproducer.")
@_AS_JSON
def run_command(network: Path, backend: str, samples: Path, samples_key: str | None, labels_key: str | None, ticks: int | None,
                limit: int | None, compare: str | None, cores: int | None, lanes: str | None, tailored: bool,
                pixel_bits: str | None, baud: int | None, inject_fault: bool, output: Path | None, as_json: bool) -> None:
    """Run samples through a network: in the model, in simulation, or on a board.

    Exit code 1 means that what came back differs from the model; the first difference is printed.

    \b
    Examples:
      ranvier run digits.ranvier --input test.npz
      ranvier run digits.ranvier --on rtl: --input test.npz --limit 20 --compare golden: -o out
      ranvier run digits.ranvier --input test.npz --tailor
      ranvier run digits.ranvier --on serial:/dev/ttyUSB1 --input test.npz --compare golden:
    """
    from .commands.run import run_samples
    _check_target(backend, compare=bool(compare), fault=inject_fault, form=cores is not None or lanes is not None or tailored,
                  baud=baud is not None)
    report = run_samples(network, backend, samples, ticks, limit, compare=bool(compare), cores=cores,
                          lanes=None if lanes is None else int(lanes), tailored=tailored,
                          pixel_bits=None if pixel_bits is None else int(pixel_bits), baud=baud, fault=inject_fault, output=output,
                          samples_key=samples_key, labels_key=labels_key)
    if as_json:
        _show(report)
    else:
        from .reports.tables import note_lines, print_rows, run_rows, semantics_lines
        print_rows(f"{network} on {backend}", ("figure", "value"), run_rows(report))
        click.echo("\n".join([*note_lines(report), *semantics_lines(report)]))
    if "mismatch" in report:
        _tell_mismatch(report)


def _check_target(target: str, *, compare: bool, fault: bool, form: bool, baud: bool) -> None:
    """Refuse options that the target could not follow, before any work."""
    if target not in ("golden:", "rtl:", "fabric:") and not (target.startswith("serial:") and len(target) > len("serial:")):
        raise RanvierError(f"run: --on is {target!r}; it must be golden:, rtl:, serial:PORT or fabric:")
    if target == "golden:" and (compare or fault):
        raise RanvierError("run: --compare and --inject-fault need --on rtl:, serial:PORT or fabric:, the model is what they compare with")
    if fault and target != "fabric:":
        raise RanvierError("run: --inject-fault needs --on fabric:")
    if form and target.startswith("serial:"):
        raise RanvierError("run: --cores, --lanes and --tailor are for simulation; a board has the fabric of its bitstream")
    if baud and target in ("golden:", "fabric:"):
        raise RanvierError("run: --baud needs --on rtl: or serial:PORT; there is no line")


def _tell_mismatch(report: dict[str, Any]) -> None:
    click.echo(f"MISMATCH: {report['mismatch']['message']}", err=True)
    for path in report["mismatch"]["reproducer"]:
        click.echo(f"  kept: {path}", err=True)
    sys.exit(1)


@cli.command("energy")
@click.argument("network", type=_EXISTING)
@click.option("--input", "samples", type=_EXISTING, required=True,
              help="Samples (npz, npy or csv), or spikes that 'encode' wrote; labels in it give the accuracy.")
@click.option("--twin", "twins", type=_EXISTING, multiple=True, metavar="NETWORK|MODEL.onnx",
              help="What to compare with: the conventional network (ONNX), of which graded twins are made, or another network; as often as "
                   "needed.")
@click.option("--table", default="horowitz-45nm", show_default=True, metavar="NAME", help="Energies: horowitz-45nm or ice40up5k.")
@click.option("--ticks", "ticks", type=click.IntRange(1, 65535), multiple=True,
              help="Steps of a window, as often as needed; without it powers of two up to the conversion's.")
@click.option("--board", metavar="NAME", help="Board that gives fabric and clock; without it the table's.")
@click.option("--clock", "clock_mhz", type=click.FloatRange(0.01, 1000), metavar="MHZ", help="Clock, without it the board's.")
@click.option("--cores", type=click.IntRange(1, 16), help="Cores of the fabric; without it as many as 'build --tailor' takes.")
@click.option("--cells", type=click.IntRange(1), help="Logic cells that a build took; without it the table takes an interval.")
@click.option("--rate", type=click.FloatRange(1e-6, 1e9), metavar="HZ", help="Samples a second, for the power and the energy at that rate.")
@click.option("--calibrate", type=_EXISTING, help="Samples for the thresholds of the graded twins, where the ONNX file has a Relu.")
@click.option("--samples", "samples_key", metavar="KEY", help="Name of the samples in the file, where it is not a usual one.")
@click.option("--labels", "labels_key", metavar="KEY", help="Name of the labels in the file, where it is not a usual one.")
@click.option("--limit", type=click.IntRange(1), help="Take the first samples only.")
@click.option("-o", "--output", type=_EXISTING, help="Folder for energy.json, energy.md and energy.png.")
@_AS_JSON
def energy_command(network: Path, samples: Path, twins: tuple[Path, ...], table: str, ticks: tuple[int, ...], board: str | None,
                   clock_mhz: float | None, cores: int | None, cells: int | None, rate: float | None, calibrate: Path | None,
                   samples_key: str | None, labels_key: str | None, limit: int | None, output: Path | None, as_json: bool) -> None:
    """Count what a sample costs in a network and in its twins, and price it by a table.

    Counts are those of the golden model and the cycle model, which are equal in RTL: operations, reads and writes of every memory, hops
    and clocks. Nothing is measured on a board. docs/energy.md explains each term and where it is from.

    \b
    Examples:
      ranvier energy digits.ranvier --input test.npz --twin digits.onnx -o out
      ranvier energy digits.ranvier --input test.npz --twin digits.onnx --table ice40up5k --rate 30
    """
    from .commands.energy import EnergyOptions, energy_report, write_energy
    report = energy_report(EnergyOptions(network, samples, twins, table, board, clock_mhz, cells, rate, ticks, limit, cores, calibrate,
                                         samples_key=samples_key, labels_key=labels_key))
    if output is not None:
        write_energy(output, report)
    if as_json:
        _show(report)
        return
    from .reports.energy import ENERGY_HEADER, energy_lines, energy_rows
    from .reports.tables import print_rows
    print_rows(f"{network}: energy by {table}", ENERGY_HEADER, energy_rows(report))
    click.echo("\n".join(energy_lines(report)))


@cli.command("info")
@click.argument("target", required=False)
@click.option("--baud", type=click.IntRange(1), help="Rate of the line; without it the highest that works.")
@_AS_JSON
def info_command(target: str | None, baud: int | None, as_json: bool) -> None:
    """Say what a device is: board, fabric, link. Without a target, list the serial ports.

    \b
    Examples:
      ranvier info
      ranvier info serial:/dev/ttyUSB1
    """
    from .commands.device import device_info, info_rows
    from .reports.tables import print_rows
    info = device_info(target, baud)
    if as_json:
        _show(info)
    elif target is None:
        print_rows("serial ports", ("port", "description", "hardware"),
                   [(port["port"], port["description"], port["hardware"]) for port in info["ports"]])
        if not info["ports"]:
            click.echo("no serial ports; plug a board in, or name a port: ranvier info serial:PORT")
    else:
        print_rows(target, ("thing", "value"), info_rows(info))


@cli.command("report")
@click.argument("folder", type=_EXISTING)
@_AS_JSON
def report_command(folder: Path, as_json: bool) -> None:
    """Print the table of a folder that 'ranvier demo', 'ranvier run -o' or 'ranvier build' wrote.

    \b
    Example:
      ranvier report build/demo
    """
    from .reports.tables import demo_rows, load_report, note_lines, print_rows, run_rows, semantics_lines
    if (folder / "build.json").is_file():
        _report_build(folder, as_json)
        return
    report = load_report(folder)
    if as_json:
        _show(report)
        return
    rows = demo_rows(report) if "snn_accuracy" in report else run_rows(report)
    semantics = [*note_lines(report), *semantics_lines(report)]
    print_rows(str(folder), ("figure", "value"), rows)
    click.echo("\n".join(semantics))
    pictures = [path for path in (folder / "raster.png", folder / "membranes.png") if path.is_file()]
    for path in pictures:
        click.echo(f"picture: {path}")


def _report_build(folder: Path, as_json: bool) -> None:
    from .bitstream.program import load_build
    from .reports.build_table import build_rows, seed_lines
    from .reports.tables import print_rows
    report = load_build(folder)
    if as_json:
        _show(report)
        return
    rows, lines = build_rows(report), seed_lines(report)
    print_rows(str(folder), ("figure", "value"), rows)
    click.echo("\n".join(lines))


@cli.command("demo")
@click.option("-o", "--output", type=_EXISTING, default=Path("build/demo"), show_default=True,
              help="Folder for report and pictures.")
@click.option("--digits", type=_EXISTING, help="Folder with digits.onnx, mnist_test.npz and calibration.npz.")
@click.option("--pictures", default=1000, show_default=True, type=click.IntRange(1, 10000),
              help="Pictures to compare in the RTL.")
@click.option("--cores", default=2, show_default=True, type=click.IntRange(1, 16), help="Cores of the fabric.")
@click.option("--lanes", default="64", show_default=True, type=click.Choice(_LANES),
              help="Lanes of a core.")
@click.option("--inject-fault", is_flag=True, help="Flip one membrane bit in the RTL, to see a mismatch.")
@_AS_JSON
def demo_command(output: Path, digits: Path | None, pictures: int, cores: int, lanes: str, inject_fault: bool,
                 as_json: bool) -> None:
    """Handwritten digits, end to end: convert, quantise, map, run, compare, report.

    \b
    Example:
      ranvier demo -o build/demo
    """
    from .commands.demo import run_demo
    from .reports.tables import demo_rows, print_rows, semantics_lines
    report = run_demo(output, digits=digits, pictures=pictures, cores=cores, lanes=int(lanes), fault=inject_fault)
    if as_json:
        _show(report)
    else:
        print_rows("Handwritten digits, 784-128-10", ("figure", "value"), demo_rows(report))
        click.echo("\n".join(semantics_lines(report)))
        click.echo(f"report: {output / 'report.json'}; pictures: {output / 'raster.png'}, {output / 'membranes.png'}")
    if "mismatch" in report:
        _tell_mismatch(report)


@cli.command("verify")
@click.option("--networks", default=500, show_default=True, type=click.IntRange(0, 1000000), help="Random networks to compare.")
@click.option("--line-faults", default=0, show_default=True, type=click.IntRange(0, 10000000),
              help="Faults to inject into the line of a simulated device.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the first network, and of the faults.")
@click.option("-o", "--output", type=_EXISTING, default=Path("build/verify"), show_default=True, help="Folder for reproducers.")
@_AS_JSON
def verify_command(networks: int, line_faults: int, seed: int, output: Path, as_json: bool) -> None:
    """Random networks, model against RTL, on fabrics that cover every pair of build parameters; faults on the host link.

    The fabrics are compiled at first use, which takes some minutes.

    \b
    Examples:
      ranvier verify --networks 2000 --seed 1000
      ranvier verify --networks 0 --line-faults 10000
    """
    from .commands.run import verify_line, verify_networks
    from .reports.tables import print_rows
    found: dict[str, Any] = {}
    failures: list[str] = []
    if networks:
        found["networks"], failures = verify_networks(networks, seed, output)
    if line_faults:
        found["line"] = verify_line(line_faults, seed)
        failures += found["line"]["failures"]
    if as_json:
        _show(found)
    else:
        for title, part in found.items():
            rows = [(key, f"{value:,}") for key, value in part.items() if isinstance(value, int)]
            rows += [(f"fault: {kind}", f"{value:,}") for kind, value in part.get("by_kind", {}).items()]
            rows += [(f"networks in which it acted: {feature}", f"{value:,}") for feature, value in part.get("acted", {}).items()]
            print_rows({"networks": "Random networks", "line": "Faults on the line"}[title], ("figure", "value"), rows)
    for failure in failures:
        click.echo(f"MISMATCH, {failure}", err=True)
    if failures:
        sys.exit(1)


@cli.command("boards")
@_AS_JSON
def boards_command(as_json: bool) -> None:
    """List the boards that bitstreams can be built for, with their overlays.

    The overlay is the fabric that 'ranvier build --board NAME' builds without --tailor.

    \b
    Example:
      ranvier boards
    """
    from .bitstream.prediction import capacity_of
    from .boards import BOARDS
    found = [{"name": board.name, "title": board.title, "chip": board.device, "uart": board.uart_note, "baud": board.baud,
              "clock_hz": board.clock_hz, "pins": {use: pin.label if pin else None for use, pin in board.pins().items()},
              "capacity": capacity_of(board.fabric, board.clock_hz).to_json(), "programs": bool(board.loader), "note": board.loader_note}
             for board in BOARDS.values()]
    if as_json:
        _show(found)
        return
    from .reports.tables import print_rows
    rows = []
    for board in BOARDS.values():
        capacity = capacity_of(board.fabric, board.clock_hz)
        rows.append((board.name, board.device, f"{capacity.cores} x {capacity.lanes}", f"{capacity.neurons:,}", f"{capacity.synapses:,}",
                     f"{board.clock_hz / 1e6:g} MHz", f"{board.baud:,}", board.uart_note))
    print_rows("Boards", ("name", "chip", "cores x lanes", "neurons", "synapses", "clock tried first", "baud", "serial port"), rows)


@cli.command("build")
@click.argument("network", type=_EXISTING, required=False)
@click.option("--board", required=True, help="Name of the board; 'ranvier boards' lists them.")
@click.option("-o", "--output", type=_EXISTING, required=True, 
              help="Folder for bitstream, build.json and logs; an older build there is replaced.")
@click.option("--tailor", "tailored", is_flag=True, help="Size the fabric to NETWORK instead of building the board's overlay.")
@click.option("--cores", type=click.IntRange(1, 16), help="Cores; without it the board's, or with --tailor as many as help NETWORK.")
@click.option("--lanes", type=click.Choice(_LANES), help="Lanes of a core; without it the board's.")
@click.option("--clock", type=click.FloatRange(1, 1000), help="Fabric clock in MHz, rounded down to one that the PLL makes; without it the "
              "board's, or a slower one that timing allows.")
@click.option("--seeds", type=click.IntRange(1, 64), help="Placement seeds to try: 1 to this number; without it the board's.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Placements at a time; without it one for each processor.")
@click.option("--ticks", type=click.IntRange(1, 65535), help="Ticks of the predicted inference; without it the conversion's.")
@click.option("--faster", is_flag=True, help="Go on after the first bitstream that meets its clock: make the design again for the "
              "fastest clock that its timing allows.")
@click.option("--input", "samples", type=_EXISTING,
              help="Samples (npz, npy or csv) to predict the time of an inference with; without them the worst case.")
@click.option("--samples", "samples_key", metavar="KEY", help="Array of --input that has the samples, where its name does not say it.")
@click.option("--labels", "labels_key", metavar="KEY", help="Array or column of --input that has the labels, which are left out.")
@_AS_JSON
def build_command(network: Path | None, board: str, output: Path, tailored: bool, cores: int | None, lanes: str | None, clock: float | None,
                  seeds: int | None, jobs: int | None, ticks: int | None, faster: bool, samples: Path | None, samples_key: str | None,
                  labels_key: str | None, as_json: bool) -> None:
    """Build a bitstream for a board, with open tools.

    Without --tailor it is the board's overlay: one bitstream that runs any network that fits, loaded at run time; NETWORK may be
    left out, or is checked to fit. With --tailor cores, lanes, sweep lanes and memories are sized to NETWORK: the smallest fabric that
    is nearly as fast as the fastest one, with no more lanes than the overlay. With --cores or --lanes too, only the rest is: the
    cores, where --lanes is given, and the memories.

    What cannot fit the chip's memories is refused first. The design is synthesised and placed with several seeds side by side for
    the board's clock, or for slower ones where timing is missed. The first bitstream that meets its clock is it; --faster goes on.
    A bitstream whose timing is not met is never handed out. The first use of a YoWASP program compiles it.

    \b
    Examples:
      ranvier build --board ulx3s -o build/ulx3s
      ranvier build digits.ranvier --board icebreaker --tailor --seeds 8 -o build/digits
    """
    from .commands.build import build
    from .reports.build_table import build_rows, seed_lines
    from .reports.tables import print_rows
    report = build(network, board, output, tailored=tailored, cores=cores, lanes=None if lanes is None else int(lanes), clock_mhz=clock,
                   seeds=seeds, jobs=jobs, ticks=ticks, samples_path=samples, samples_key=samples_key,
                   labels_key=labels_key, faster=faster)
    if as_json:
        _show(report)
        return
    print_rows(f"{board} -> {output}", ("figure", "value"), build_rows(report))
    click.echo("\n".join(seed_lines(report)))
    click.echo(f"load it with: ranvier program {output}")


@cli.command("program")
@click.argument("folder", type=_EXISTING, required=False)
@click.option("--flash/--sram", default=False, help="Write the flash, which keeps it, or load the FPGA, which forgets it (default).")
@click.option("--udev-rule", is_flag=True, help="Print the udev rule that lets users program boards, and do nothing else.")
@_AS_JSON
def program_command(folder: Path | None, flash: bool, udev_rule: bool, as_json: bool) -> None:
    """Load the bitstream of a build into its board, with openFPGALoader.

    A loader that hangs is ended after 60 s and 1 s for each 5,000 bytes of the file.

    \b
    Examples:
      ranvier program build/ulx3s
      ranvier program build/digits --flash
      ranvier program --udev-rule
    """
    from .bitstream.program import UDEV_RULE, program_board
    from .progress import waiting
    if udev_rule:
        if as_json:
            _show({"udev_rule": UDEV_RULE})
        else:
            click.echo(UDEV_RULE, nl=False)
        return
    if folder is None:
        raise RanvierError("program: name the folder of a build, for example: ranvier program build/ulx3s")
    with waiting(f"program {folder}"):
        done = program_board(folder, flash=flash)
    if as_json:
        _show(done)
        return
    click.echo(f"{done['bitstream']} is in the {'flash' if done['into'] == 'flash' else 'FPGA'} of {done['board']}")


@cli.command("generate")
@click.argument("network", type=_EXISTING, required=False)
@click.option("--verilog", is_flag=True, help="Plain Verilog, which is what there is; may be left out.")
@click.option("-o", "--output", type=_EXISTING, required=True, help="Folder for ranvier.v, ranvier.core, README.md and device.json.")
@click.option("--board", help="Take the overlay of this board; without it the standard fabric.")
@click.option("--cores", type=click.IntRange(1, 16), help="Cores of the fabric.")
@click.option("--lanes", type=click.Choice(_LANES), help="Lanes of a core.")
@click.option("--clock", default=100.0, show_default=True, type=click.FloatRange(1, 1000),
              help="Clock in MHz that the device states to the host.")
@click.option("--baud", default=1_000_000, show_default=True, type=click.IntRange(9600, 12_000_000), help="Rate after reset, for a UART.")
@click.option("--uart", is_flag=True, help="A top with the lines rx and tx instead of byte streams.")
@_AS_JSON
def generate_command(network: Path | None, verilog: bool, output: Path, board: str | None, cores: int | None, lanes: str | None,
                     clock: float, baud: int, uart: bool, as_json: bool) -> None:
    """Write the device as plain Verilog, with a documented top, no vendor primitives and a FuseSoC core file.

    With NETWORK the fabric is sized to it.

    \b
    Examples:
      ranvier generate --verilog -o build/verilog
      ranvier generate digits.ranvier --cores 2 --uart -o build/digits-verilog
    """
    from .commands.run import generate
    from .progress import waiting
    from .reports.tables import print_rows
    with waiting("generate Verilog"):
        made = generate(network, output, board, cores, None if lanes is None else int(lanes), clock, baud, uart)
    if as_json:
        _show(made)
        return
    print_rows(f"{output}: module {made['top']}", ("port", "direction", "bits", "meaning"),
               [(port["name"], port["direction"], str(port["width"]), port["meaning"]) for port in made["ports"]])
    click.echo("files: " + ", ".join(made["files"]))


@cli.command("doctor")
@_AS_JSON
def doctor_command(as_json: bool) -> None:
    """Say what this machine has of what Ranvier needs, and how to get the rest.

    Exit code 2 means that something needed is missing.

    \b
    Example:
      ranvier doctor
    """
    from .commands.doctor import examine
    from .reports.tables import print_rows
    found = examine()
    if as_json:
        _show([finding.to_json() for finding in found])
    else:
        print_rows("ranvier doctor", ("thing", "state", "found", "mend"), [(f.name, f.state, f.found, f.mend) for f in found])
    if any(finding.state == "missing" for finding in found):
        sys.exit(2)
