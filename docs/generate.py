"""Writes the generated pages, `memory-map.md`, `link.md` and `cli.md`, from the configuration, the protocol and the command line.

    python docs/generate.py

`tests/test_docs.py` fails while a page differs from what this makes of the sources.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

import click

from ranvier.cli import cli
from ranvier.files.limits import MAX_CONTENT, MAX_ENTRIES, MAX_FILE, MAX_JSON, MAX_NEURONS, MAX_WEIGHTS
from ranvier.model.fabric.chain import access_latency, read_latency
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.device_config import DIVISOR_BITS, LEAST_DIVISOR, DeviceConfig
from ranvier.model.fabric.layout import (
    CHUNK_BITS,
    MEMORY_BITS,
    OFFSET_BITS,
    UNIT_BITS,
    Control,
    Counter,
    Memory,
    Op,
    bank_words,
    drive_fields,
    dynamics_fields,
    memory_map,
    row_word,
    segment_word,
)
from ranvier.model.link.identity import IDENTITY_WORDS, identity_fields
from ranvier.model.link.protocol import (
    BREAK_BITS,
    CRC_BYTES,
    ESCAPE,
    ESCAPE_XOR,
    FLAG,
    MAGIC,
    MOST_PAYLOAD,
    MOST_READ,
    PROTOCOL,
    SESSION_BYTES,
    Command,
    LinkMemory,
    Register,
    Status,
    encode,
    frame,
    link_unit,
    record_chunks,
    values_per_write,
)
from ranvier.model.words import Field
from ranvier.processes import DEAF_S

__all__ = ["PAGES", "command_page", "link_page", "memory_page"]

_HERE = Path(__file__).resolve().parent
_NOTE = "<!-- Written by docs/generate.py; do not edit. -->"


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _meanings(kind: type[IntEnum]) -> dict[str, str]:
    """What the source says about each member, in the comment behind it."""
    found = re.findall(r"^ +(\w+) = \d+ +#: (.+)$", inspect.getsource(kind), re.MULTILINE)
    return dict(found)


def _fields(fields: Iterable[Field]) -> str:
    rows, low = [], 0
    for f in fields:
        high = low + f.bits - 1
        rows.append((f"`{f.name}`", f"{high}..{low}" if f.bits > 1 else str(low), f.bits, "yes" if f.signed else "", f.meaning))
        low = high + 1
    return _table(("field", "bits", "width", "signed", "meaning"), rows)


def _columns(fields: Iterable[Field]) -> str:
    rows = ((f"`{f.name}`", f.bits, "yes" if f.signed else "", f.meaning) for f in fields)
    return _table(("field", "width", "signed", "meaning"), rows)


def _members(kind: type[IntEnum], header: str) -> str:
    meanings = _meanings(kind)
    return _table((header, "name", "meaning"), ((member.value, f"`{member.name}`", meanings[member.name]) for member in kind))


def _memories(config: FabricConfig, unit: str) -> str:
    return _table(("number", "memory", "bits of a word", "words", "chunks of a word", "addresses from word to word", "holds"), (
        (int(number), f"`{number.name}`", layout.bits, layout.depth, layout.chunks, layout.chunk_step, layout.meaning)
        for number, layout in memory_map(config, unit).items()))


def _form(config: FabricConfig) -> str:
    return _table(("setting", "value"), (
        ("cores x lanes", f"{config.cores} x {config.core.lanes}"),
        ("sweep lanes of a core, of the input unit", f"{config.core.sweep_lanes}, {config.input.sweep_lanes}"),
        ("bits of a membrane, weight, input value", f"{config.state_bits}, {config.weight_bits}, {config.input_bits}"),
        ("bits of a spike word, words of a spike buffer", f"{config.word_bits}, {config.spike_depth}")))


def _address(config: FabricConfig) -> str:
    unit = OFFSET_BITS + MEMORY_BITS
    units = f"cores from 0, the input unit {config.cores}, the ticker {config.nodes}"
    return _table(("address bits", "meaning"), (
        (f"{unit + UNIT_BITS - 1}..{unit}", f"unit: {units}"),
        (f"{unit - 1}..{OFFSET_BITS}", "memory number in that unit; 0 for the ticker"),
        (f"{OFFSET_BITS - 1}..0", "offset")))


def _contents(config: FabricConfig) -> str:
    core, inputs = config.core.readout_depth, config.input.state_depth
    bank = bank_words(core)
    return _table(("memory", "word"), (
        ("`WEIGHTS`", f"{config.core.lanes} signed weights of {config.weight_bits} bits, lane 0 lowest: from one source neuron "
                      "to the neurons of one row"),
        ("`STATE`", f"a group of signed membranes of {config.state_bits} bits, first neuron lowest"),
        ("`SPIKES`", f"{config.word_bits} spikes, first neuron lowest"),
        ("`READOUT`", f"as the first {core} words of `STATE`, which are the readouts'; windows 0, 2, 4 ... of a run use words 0 to "
                      f"{core - 1}, windows 1, 3, 5 ... words {bank} to {bank + core - 1}"),
        ("`INPUTS`", f"a group of unsigned values of {config.input_bits} bits, first neuron lowest; the host always writes "
                     f"words 0 to {inputs - 1}, which are those of the bank that is not being read")))


def memory_page(config: FabricConfig) -> str:
    """`memory-map.md` for one fabric."""
    segment, row, first = segment_word(config), row_word(config, "core"), row_word(config, "input")
    return f"""{_NOTE}
# Memory map and word formats

This page is made from [`model/fabric/layout.py`](../model/fabric/layout.py) for the standard fabric. Another configuration has other widths
and depths. Fields are listed from the lowest bit.

{_form(config)}

## The configuration port

The host sees one port: `address` of {OFFSET_BITS + MEMORY_BITS + UNIT_BITS} bits, `data` and `value` of {CHUNK_BITS} bits,
`write` and `read`. It takes one access a clock, and they take effect in that order. The value of a read is there {read_latency(config)}
clocks later. A command shows in `running` after {access_latency(config)} clocks, in `room` at once.

{_address(config)}

A memory word is written in chunks of {CHUNK_BITS} bits, the lowest first. With `step` the number of chunks rounded up to a
power of two,

    offset = word * step + chunk

The fabric itself writes a core's `SPIKES`, `STATE` and `READOUT` and the input unit's `STATE`. A host read borrows the
memory's only read port, so a host reads while the fabric is idle; but the readouts, which nobody else reads, at any time. It cannot
write readouts.

## Memories of a core

{_memories(config, "core")}

`COUNTERS` is memory number {int(Memory.COUNTERS)}. It is read only, and the offset is the counter's number.

## Memories of the input unit

{_memories(config, "input")}

`COUNTERS` is there too. The input unit has no scanner, so its counters `SCAN` to `STALLS` read 0.

## Registers of the ticker

The offset is the register's number.

{_members(Control, "offset")}

## Counters

{_members(Counter, "offset")}

## Program word

A word of `PROGRAM` has {segment.bits} bits. A row has one word for each source part and for each doubling; the row's last
word sets `row_last`.

{_fields(segment.fields)}

{_members(Op, "`op`")}

Spike word w of a source lies at `base + (w << slots_log2) + slot` in every spike buffer, where `slot` is the number of the tick
that wrote it, modulo `2**slots_log2`. The ticker counts ticks from 1 in each run.

## Row descriptor of a core

A word of a core's `ROWS` has {row.bits} bits.

{_fields(row.fields)}

## Row descriptor of the input unit

A word of the input unit's `ROWS` has {first.bits} bits. The list ends after the row that says so, or before a row of 0 groups.

{_fields(first.fields)}

## Parameters of a neuron

A word of `DRIVE` holds the parameters of one group of neurons, {config.core.sweep_lanes} in a core and
{config.input.sweep_lanes} in the input unit, field after field: first `theta` of all these neurons, the first neuron's lowest, and
so on.

{_columns(drive_fields(config, "core"))}

A word of `DYNAMICS` is made in the same way. The input unit's has no `k`.

{_columns(dynamics_fields(config, "core"))}

A row whose groups are all equal is stored once (`drive_step` or `dynamics_step` is 0), and equal rows share their words.

## Other words

{_contents(config)}

A spike word on the ring is its address in the spike buffers ({bits_for(config.spike_depth - 1)} bits) and its {config.word_bits}
spikes.
"""


def _hex(data: bytes) -> str:
    return " ".join(f"{byte:02x}" for byte in data)


def link_page(config: DeviceConfig) -> str:
    """`link.md`."""
    fabric, unit = config.fabric, link_unit(config.fabric)
    read = frame(0x7D, Command.READ, 0x123456, (unit << OFFSET_BITS + MEMORY_BITS).to_bytes(4, "little") + (1).to_bytes(2, "little"))
    entry = record_chunks(fabric)
    return f"""{_NOTE}
# The host link

This page is made from [`model/link/protocol.py`](../model/link/protocol.py), from which the driver and the hardware are made too.
Figures that depend on the configuration are those of the standard fabric. Protocol version {PROTOCOL}.

## The line

8 data bits, the lowest first, no parity, 1 stop bit. The rate after reset is the board's first rate (1,000,000 bits a second unless
its file says otherwise). The host may change it with the register `DIVISOR`; a bit lasts {LEAST_DIVISOR} to
{(1 << DIVISOR_BITS) - 1} clocks. A line that is low for {BREAK_BITS} bit times or more is a break: the device goes back to its first rate.

A receiver samples each bit in its middle, so host and device may differ by about 4 % in all.

## Frames

Between two bytes `{FLAG:02x}` (flags) lies a frame or nothing. Inside a frame the bytes `{FLAG:02x}` and `{ESCAPE:02x}` are sent as
`{ESCAPE:02x}` followed by the byte exclusive-ored with `{ESCAPE_XOR:02x}`. All numbers are little-endian.

{_table(("bytes", "command", "reply"), (
    ("0", "sequence number", "that of the command"), ("1", "command", "status"),
    (f"2 to {1 + SESSION_BYTES}", "session", "session that is open"),
    (f"{2 + SESSION_BYTES}, {3 + SESSION_BYTES}", f"length of the payload, 0 to {MOST_PAYLOAD}", "the same"),
    (f"{4 + SESSION_BYTES} ...", "payload", "payload"),
    (f"last {CRC_BYTES}", "CRC-32 of everything before", "the same")))}

The CRC is the one of zlib and Ethernet (CRC-32/ISO-HDLC), computed before escaping. A frame whose CRC, length or escapes are
wrong, or that holds a byte with a low stop bit, is dropped: nothing changes, nothing is answered, `BAD_FRAMES` counts it. The next
flag begins a new frame, so after any disturbance the next whole frame is understood.

An example, reading register 0 of the link with sequence number `7d` in session `123456`:

    {_hex(encode(read))}

## Commands

{_members(Command, "code")}

An address has {OFFSET_BITS + MEMORY_BITS + UNIT_BITS} bits, see [memory map](memory-map.md): {OFFSET_BITS} of offset, {MEMORY_BITS} of
memory, {UNIT_BITS} of unit. Units are the cores, the input unit, the ticker, and the link itself. A read gives at most {MOST_READ}
words. `WRITE_8`, `WRITE_4` and `WRITE_1` put {values_per_write(fabric)} values at an address (as many bytes as a chunk of `INPUTS`
has, at most 4).

What a host does is made of these:

{_table(("to", "the host")  , (
    ("identify", "`HELLO`"),
    ("load a network", "`WRITE` of every memory, then `READ` to check"),
    ("load input values", "`WRITE_8` or `WRITE_4` to `INPUTS`; it may do so while the fabric runs"),
    ("give spikes to inputs", "`WRITE_1` to `INPUTS` for each step, with the ticker's `PER_STEP` set"),
    ("run T ticks", "`WRITE` of the ticker's `TICKS`, `STEPS`, `TOTAL`, `PERIOD`, `PER_STEP`; then of its `COMMAND` (bit 2: the input "
                    "bank is complete, bit 1: clear the counters, bit 0: run)"),
    ("read readouts and counters", "`READ`; it waits until the fabric is at rest"),
    ("take spikes", "`WRITE` of `RECORD_FIRST` and `RECORD_STOP` before the run; `READ` of `RECORD_HEAD` and of the record; `WRITE` of "
                    "`RECORD_TAIL`"),
    ("clear all state", "`WRITE` of `RESET`, then `WRITE` of every `STATE` with the first membranes"),
    ("reset", "`WRITE` of `RESET`")))}

## Replies

{_members(Status, "status")}

### Sessions

A session is the commands of one program, from its `HELLO` to the next one's. The host draws its number, and the first sequence number, at
random for each `HELLO`: {8 * SESSION_BYTES + 8} bits, so that two programs are as unlikely to agree as a damaged frame is to have a good
CRC. Every frame carries the number of its session, and every reply that of the session that is open, so it names whom the device serves.

- A command of another session is refused with `SESSION` and changes nothing. The program that sent it has been taken over from.
- A reply of another session says the same to a program whose own `HELLO` has been answered, for replies come in the order of their
  frames. A refusal with `SESSION` that names its own session is meant for somebody else on the line, and it ignores that.
- After a reset no session is open: every command is refused with `SEQUENCE` and 0 until a `HELLO`. A `HELLO` with a payload is refused and
  leaves none open.

So no write is acknowledged that was not executed, also where two programs use one line.

### Each once

Commands are executed in the order in which they come. Sequence numbers count modulo 256 from the number of the `HELLO`. The device
keeps the number that is due:

- A command with that number is executed and answered.
- A command with the number before is a repeat, because its reply was lost. A write is not done again, only acknowledged; a read is
  done again.
- Any other number is refused with `SEQUENCE`. So behind a lost or a refused command nothing is executed until the host goes back.

### Addresses and values

A read that asks for a word behind its memory's last is refused whole with `ADDRESS`; a write is done up to there. The same goes for
memories and units that there are not. Of `INPUTS` the host addresses the {fabric.input.state_depth} words of one bank. Addresses between
the last chunk of a word and the next word read as 0 and keep nothing. A `DIVISOR` that no line can have is refused with `VALUE`. A
write of several words that is refused, also as `BUSY`, has written those before the one that was refused. The driver sends no command
that is refused with `ADDRESS` or `VALUE`.

### How many, how long

The host may send ahead as many frames as the buffer holds ({config.link.buffer_bytes} bytes of frames without flags and escapes here; the
identity says how many). A frame that finds no room is dropped and `OVERRUNS` counts it.

A command waits as long as the fabric cannot take it: memories of cores and input unit, and a `COMMAND` that runs or clears, until
the fabric is at rest; a write to `INPUTS`, and a `COMMAND` that completes a bank, until a bank is free. After at most
{1 << config.link.patience_log2:,} clocks, or at once if the fabric itself waits for the host, the answer is `BUSY`.

## Memories of the link

The link is unit {unit} here: the one after the ticker.

{_members(LinkMemory, "memory")}

### Registers

{_members(Register, "offset")}

### Record

Entry n of a run lies at offset (n modulo {config.link.record_depth}) * {entry}. Only words with a spike in them are recorded.

{_table(("word", "bits", "meaning"), (
    ("0", "15..0", "address in the spike buffers"), ("0", "31..16", "number of the tick, from 1, modulo 65536"),
    (f"1 to {entry - 1}", "", f"the {fabric.word_bits} spikes, first neuron lowest; words beyond them are 0")))}

A spike word may arrive when the next tick has just begun. Bit 0 of its address is bit 0 of the tick that it belongs to: where that
differs from the number recorded, it is the tick before.

While the record is more than half full no new tick begins. A word that finds it full all the same is lost, and `RECORD_LOST` counts it.

### Identity

{IDENTITY_WORDS} words. `magic` is {MAGIC:#010x}, the bytes `RNVR`. The hash is that of the fabric's configuration,
`FabricConfig.digest`; the board's name is padded with zeros.

{_table(("word", "field"), ((n, f"`{name}`") for n, name in enumerate(identity_fields())))}
"""


_INTRODUCTION = f"""{_NOTE}
# Commands

`ranvier COMMAND --help` says the same. Every command takes `--json` and then prints JSON on standard output and nothing else
there. Progress bars go to standard error.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | model and RTL differ; the first difference is on standard error |
| 2 | something the user can mend: one line on standard error that begins with `error:`, no output written (but `build` keeps its logs) |
| 129, 130, 143 | stopped by a hang-up, an interruption (Ctrl-C), a termination: `stopped` on standard error, no output written |
| 141 | standard output was closed |

With `--json` the line is also an object on standard output: `{{"error": {{"message": "...", "exit_code": 2}}}}`.
Characters that a terminal's encoding does not have are shown as escapes.

## Files and folders

- A file of results is written under a temporary name and then renamed: all of it is there, or the older one still is. Only regular files
  are replaced; a symbolic link, folder, device, pipe or socket of that name is refused.
- A folder of results (`-o` of `run`, `demo`, `build` and `generate`, and the reproducer of a mismatch) is made beside its place under a
  hidden name, and takes its place when it is complete; the older one stays until then. On Linux both change places at one moment. After
  an error or a signal nothing of it is left, nor of folders that were made above it. After `SIGKILL` the hidden folder stays until the same
  output is asked for again.
- A folder is replaced only if it is empty or holds nothing but results (`build` and `generate`: if it has their `build.json` or
  `device.json`). The current folder and symbolic links are refused.
- Programs that a command starts end with it, also when it is killed, and so do those that they started; this holds for what compiles
  simulations. A second signal within {DEAF_S:g} seconds is ignored, so that cleaning up is not cut short.

Bounds of what is read, checked before it is unpacked:

{_table(("what", "at most"), (
    ("a file", f"{MAX_FILE >> 20} MiB"),
    ("entries of an archive (`npz`, `.ranvier`), and what they unpack to together", f"{MAX_ENTRIES:,}, {MAX_CONTENT >> 20} MiB"),
    ("the description in a network file", f"{MAX_JSON >> 20} MiB"),
    ("neurons of a network", f"{MAX_NEURONS:,}"), ("weights of a network", f"{MAX_WEIGHTS:,}"),
    ("floats that are read as samples at a time", f"{MAX_CONTENT // 8:,}")))}

`--limit` unpacks no more than it asks for. Where memory is short all the same, that is an error like any other, with exit code 2.

## The cache

Compiled fabrics are kept in the folder that `RANVIER_CACHE` names, otherwise in `ranvier` in the user's cache folder. The
Makefile sets it to `build/cache`. A cache may be deleted at any time. Every build in it carries checksums that are compared before it is
used: one that is damaged is made again, once, which standard error says. Processes that want the same build wait for the first.
`RANVIER_OPTIMISATION`, 0 to 3, is the compiler's level: 2 unless it is set; 1 compiles sooner and simulates a little slower.

## Samples

Files of samples are `npz`: an array `samples` or `pictures` of shape (n, size), integers that fit the network's input bits or floats from
0 to 1, and optionally `labels` of shape (n,).
"""


def command_page() -> str:
    """`cli.md`."""
    context = click.Context(cli, info_name="ranvier")
    parts = [_INTRODUCTION]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        members = command.commands if isinstance(command, click.Group) else {}
        parts += [_command(f"{name} {member}", members[member]) for member in sorted(members)] or [_command(name, command)]
    return "\n".join(parts)


def _command(name: str, command: click.Command) -> str:
    prose, *blocks = inspect.cleandoc(command.help or "").split("\b\n")
    examples = [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith("ranvier ")]
    # What is laid out by hand, but for the examples.
    tables = [f"```text\n{block.strip()}\n```\n" for block in blocks if not block.startswith("Example") and "\n  ranvier " not in block]
    arguments = " ".join(f"{p.human_readable_name}" for p in command.params if isinstance(p, click.Argument))
    usage = " ".join(part for part in ("ranvier", name, arguments, "[OPTIONS]") if part)
    rows = [(f"`{', '.join(p.opts)}`", "" if p.is_flag else f"`{_values(p)}`", _default(p), p.help or "")
            for p in command.params if isinstance(p, click.Option)]
    return "\n".join([f"## ranvier {name}", "", f"`{usage}`", "", prose.strip(), "", *tables, *(f"    {line}" for line in examples), "",
                      _table(("option", "value", "default", "meaning"), rows), ""])


def _values(option: click.Option) -> str:
    kind = option.type
    if isinstance(kind, click.Choice):
        return "/".join(map(str, kind.choices))
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        return f"{kind.min if kind.min is not None else ''}..{kind.max if kind.max is not None else ''}"
    return "PATH" if isinstance(kind, click.Path) else kind.name.upper()


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    return f"`{option.default}`" if option.show_default and not option.is_flag else ""


#: Every generated page and what it must hold.
PAGES = {"memory-map.md": lambda: memory_page(FabricConfig()), "link.md": lambda: link_page(DeviceConfig(FabricConfig())),
         "cli.md": command_page}


if __name__ == "__main__":
    for page, make in PAGES.items():
        (_HERE / page).write_text(make(), encoding="utf-8")
        print(f"docs/{page}")
