"""A device behind a link: a board, or one in simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.fabric.counters import Counts, empty
from ..model.fabric.image import address, control_address, memory_image, run_registers, state_writes, unpack_lanes
from ..model.fabric.layout import Control, Counter, Memory, memory_map
from ..model.fabric.placement import Placement
from ..model.link.identity import Identity
from ..model.link.protocol import MOST_READ, LinkMemory, Register, link_address
from .backend import Progress
from .loading import InputLoader
from .port import Port
from .rate import BREAK_SECONDS, TOLERANCE, first_rate, raise_rate
from .record import RecordPlan
from .result import Job, Result
from .session import NoAnswer, Request, Session, Words, read_request, write_requests

__all__ = ["LinkBackend", "usual_silence"]

_RUN, _CLEAR, _COMMIT = 1, 2, 4
#: Words that `LinkBackend.read_back` reads at once: on a bad line long replies seldom arrive whole.
_VERIFIED = 64
#: Seconds in which a device that does nothing answers a hello, over any USB adapter.
_OPENING_SILENCE = 0.3
#: Bits of `Register.STATE`.
_RUNNING, _WAITING = 1, 2
#: `Register.RECORD_HEAD` to `Register.STATE`.
_RECORD_REGISTERS = Register.STATE - Register.RECORD_HEAD + 1
#: Hellos to a device that has answered before.
_HELLOS = 5
#: Refusals in a row without a sign of life from the fabric.
_MOST_BUSY = 4


class LinkBackend:
    """Everything over a `Session` on ``port``.

    rate
        Baud rate to use after the opening one, or None for the highest that both ends can.
    silence
        Seconds, as in `Session`; None: enough for a device with the usual patience.
    until
        `time.monotonic` at which a port whose bytes are no answer is given up.
    """

    def __init__(self, port: Port, *, rate: int | None = None, silence: float | None = None, until: float | None = None) -> None:
        self._session = Session(port, silence=silence or _OPENING_SILENCE)
        self._closed = False
        try:
            self._identity = self._session.hello(until=until)
            self._session.silence = silence or usual_silence(self._identity, port.baudrate)
            raise_rate(self._session, self._identity, rate)
            self._first_rate = first_rate(self._identity)
        except BaseException:
            port.close()
            raise
        self._config = self._identity.fabric
        self._placement: Placement | None = None
        self._sound = True          # nothing has gone wrong since the last reset

    @property
    def identity(self) -> Identity:
        """What the device says of itself."""
        return self._identity

    @property
    def silence(self) -> float:
        """Seconds, as in `Session`."""
        return self._session.silence

    @silence.setter
    def silence(self, seconds: float) -> None:
        self._session.silence = seconds

    # Loading

    def load(self, placement: Placement, progress: Progress | None) -> None:
        """Stop what runs and write the image."""
        writes = memory_image(placement).writes
        self._recover()
        self._stop()
        self._placement = None
        self._send(list(write_requests(writes)), progress)
        self._placement = placement
        self._sound = True

    def read_back(self, progress: Progress | None) -> int:
        """Read everything that `load` wrote. Raises `RanvierError` at the first word that differs."""
        placement = self._loaded()
        writes = memory_image(placement).writes
        order = np.argsort(writes[:, 0], kind="stable")
        wanted = writes[order]
        cuts = np.flatnonzero(np.diff(wanted[:, 0].astype(np.int64)) != 1) + 1
        pieces = [run[first:first + _VERIFIED] for run in np.split(wanted, cuts) for first in range(0, len(run), _VERIFIED)]
        asked = [read_request(int(piece[0, 0]), len(piece)) for piece in pieces]
        done = 0
        for group in range(0, len(asked), 64):
            for piece, words in zip(pieces[group:group + 64], self._session.do(asked[group:group + 64]), strict=True):
                self._compare(piece, words)
                done += len(piece)
            if progress is not None:
                progress(done, len(writes))
        return done

    def _compare(self, piece: Words, words: Words) -> None:
        """The last chunk of a memory word may have fewer bits than were written; those read as 0."""
        wrong = np.flatnonzero(piece[:, 1] != words)
        if wrong.size:
            at, expected = (int(value) for value in piece[wrong[0]])
            raise RanvierError(f"device: address {at:#010x} holds {int(words[wrong[0]]):#x} instead of {expected:#x}; load again, and "
                               "check that the bitstream met its clock if it stays")

    # Running

    def run(self, job: Job, progress: Progress | None) -> Result:
        """Every sample in a run of its own, with the next one's values on their way meanwhile."""
        self._loaded()
        self._recover()
        self._sound = False
        run = _Run(self._session, job, self._identity.record_depth)
        result = run.all(progress)
        self._sound = True
        return result

    def reset(self) -> None:
        """Stop, and write the membranes again; without a network there are none."""
        self._sound = False
        self._recover()
        if self._placement is not None:
            self._stop()
            self._write_state(self._placement)
        self._sound = True

    def clear(self) -> None:
        """Counters to 0."""
        self._recover()
        self._session.write(control_address(self._config, Control.COMMAND), _CLEAR)

    def _loaded(self) -> Placement:
        if self._placement is None:
            raise RanvierError("device: load a network first")
        return self._placement

    def _stop(self) -> None:
        self._session.write(link_address(self._config, LinkMemory.REGISTERS, Register.RESET), 1)

    def _recover(self) -> None:
        """After something went wrong: a new session, and a fabric as after loading."""
        if self._sound:
            return
        found = self._hello_again()
        if found.digest != self._identity.digest:
            raise RanvierError(f"device: its configuration hash was {self._identity.digest} and is {found.digest} now; open it again")
        if self._placement is not None:
            self._stop()
            self._write_state(self._placement)
        self._sound = True

    def _hello_again(self) -> Identity:
        """At the rate that the device had, or, if it was reset, at its first one, from which it is raised again."""
        port, rate = self._session.port, self._session.port.baudrate
        try:
            return self._session.hello(_HELLOS)
        except NoAnswer:
            if rate == self._first_rate:
                raise
        port.baudrate = self._first_rate
        port.send_break(BREAK_SECONDS)
        found = self._session.hello()
        raise_rate(self._session, found, rate)
        return found

    def _write_state(self, placement: Placement) -> None:
        """A run that was cut short leaves membranes behind; complete ones put ``v_init`` back."""
        self._session.do(list(write_requests(state_writes(placement))))

    def _send(self, requests: list[Request], progress: Progress | None) -> None:
        for done, _ in enumerate(self._session.stream(requests), 1):
            if progress is not None and (done % 16 == 0 or done == len(requests)):
                progress(done, len(requests))

    # The link

    def link_info(self) -> dict[str, Any]:
        """Rate, counts of both ends, and what the fabric does."""
        self._recover()
        values = self._session.read(link_address(self._config, LinkMemory.REGISTERS, 0), len(Register)).tolist()
        return {
            "baud": self._session.port.baudrate, "divisor": values[Register.DIVISOR],
            "bad_frames": values[Register.BAD_FRAMES], "overruns": values[Register.OVERRUNS],
            "record_lost": values[Register.RECORD_LOST], "state": values[Register.STATE],
            "sent_again": self._session.retries, "replies_lost": self._session.lost_replies,
            "bad_replies": self._session.bad_replies}

    def close(self) -> None:
        """Leave the device at its first rate, so that the next program finds it there."""
        if self._closed:
            return
        self._closed = True
        port = self._session.port
        try:
            # A device that another program has taken over is left as that one has it.
            if not self._session.taken_over and abs(port.baudrate / self._first_rate - 1) > TOLERANCE:
                if self._sound:
                    self._session.write(link_address(self._config, LinkMemory.REGISTERS, Register.DIVISOR), self._identity.divisor)
                else:
                    port.send_break(BREAK_SECONDS)
        except (RanvierError, OSError):
            pass        # the next program sends a break too
        finally:
            port.close()


def usual_silence(identity: Identity, baudrate: int) -> float:
    """Seconds that a device may need for an answer: it waits 2**24 clocks for its fabric, and its buffer takes its time on the line."""
    return 0.1 + 1.25 * (1 << 24) / max(1, identity.clock_hz) + 20 * identity.buffer_bytes / max(1, baudrate)


class _Run:
    """One job on a device. Replies are put where they belong as they come."""

    def __init__(self, session: Session, job: Job, record_depth: int) -> None:
        self._session, self._job, self._depth = session, job, record_depth
        placement, self._config = job.placement, job.placement.config
        network = placement.network
        self._record = RecordPlan(job)
        # A record that can hold all of a sample is read with the rest; a larger one when the sample is done, and whenever it is full.
        self._bounded = self._record.most < record_depth // 2
        self._readouts = {p.name: np.zeros((job.samples, p.size), np.int64) for p in network.readouts}
        self._spikes = job.no_spikes()
        self._clocks = np.zeros(job.samples, np.int64)      # since the counters were cleared
        self._counters: Counts = empty(self._config.nodes)   # of the block
        self._entries: list[Words] = []                      # of the sample that runs
        self._heads: dict[int, int] = {}                     # entries of each sample
        self._tail = 0                                       # entries taken of the sample that runs, modulo twice the record's depth
        self._busy = 0
        self._life = -1

    def all(self, progress: Progress | None) -> Result:
        """Run every sample; blocks in which a reply was lost are run again, in smaller ones."""
        job, session = self._job, self._session
        registers = run_registers(job.placement, job.steps, 1, per_step=job.per_step)
        session.do(write_requests(registers))
        session.write(link_address(self._config, LinkMemory.REGISTERS, Register.RECORD_FIRST), self._record.first, self._record.stop)
        counters, cycles = empty(self._config.nodes), np.zeros(job.samples, np.int64)
        first, size = 0, job.block
        while first < job.samples:
            block = range(first, min(first + size, job.samples))
            if not self._block(block):
                size = max(1, size // 2)
                continue
            first = block.stop
            rows = slice(block.start, block.stop)
            cycles[rows] = np.diff(self._clocks[rows], prepend=0) & 0xFFFFFFFF
            counters += self._counters
            if progress is not None:
                progress(first, job.samples)
        return Result(self._readouts, self._spikes, counters, cycles)

    def _block(self, block: range) -> bool:
        """Run a block; whether every reply came."""
        loader = InputLoader(self._job, block)
        complete = self._stream(iter(loader.requests(block[0])))
        if self._bounded:
            return self._stream(self._samples(block, loader)) and complete
        for sample in block:
            self._entries, self._tail = [], 0
            complete = self._stream(self._sample(sample, block, loader)) and complete
            while self._take_record():
                pass
            self._record.store(self._collected(), self._spikes, sample)
        return self._stream(self._counter_reads()) and complete

    def _samples(self, block: range, loader: InputLoader) -> Iterator[Request]:
        for sample in block:
            yield from self._sample(sample, block, loader)
            if self._record.stop:
                yield from self._record_reads(sample)
        yield from self._counter_reads()

    def _stream(self, requests: Iterator[Request]) -> bool:
        complete = True
        for reply in self._session.stream(requests, self._on_busy):
            self._busy = 0
            if reply.words is None:
                complete = False
            elif reply.request.take is not None:
                reply.request.take(reply.words)
        return complete

    # Commands of a sample

    def _sample(self, sample: int, block: range, loader: InputLoader) -> Iterator[Request]:
        """Run it, load the next one meanwhile, and read what it gave."""
        command = control_address(self._config, Control.COMMAND)
        yield from _one(command, _RUN | _COMMIT | (_CLEAR if sample == block[0] else 0))
        for step in range(1, self._job.steps if self._job.per_step else 1):
            yield from loader.requests(sample, step)
            yield from _one(command, _COMMIT)
        if sample + 1 in block:
            yield from loader.requests(sample + 1)
        yield from self._readout_reads(sample)
        # The clocks can be read at any time; the read before waits for the end of the run.
        yield read_request(control_address(self._config, Control.CLOCKS), 1, lambda words: self._take_clocks(sample, words))

    def _take_clocks(self, sample: int, words: Words) -> None:
        self._clocks[sample] = int(words[0])

    def _readout_reads(self, sample: int) -> Iterator[Request]:
        """The readout rows of each core, which have one window's membranes in the first bank."""
        step = memory_map(self._config, "core")[Memory.READOUT].chunk_step
        some = False
        for unit, rows in enumerate(self._job.placement.units[:-1]):
            for row in rows:
                if row.spiking:
                    continue
                some = True
                values, places = self._readouts[row.part.population][sample, row.start:row.stop], row.places
                groups = max(1, MOST_READ // step)
                for first in range(0, row.groups, groups):
                    count = min(groups, row.groups - first)
                    yield read_request(address(unit, Memory.READOUT, (row.state_base + first) * step), count * step,
                                       self._readout_taker(values, places, first, step))
        if not some:
            yield read_request(address(0, Memory.COUNTERS, 0), 1)

    def _readout_taker(self, values: npt.NDArray[np.int64], places: npt.NDArray[np.int64], first: int,
                       step: int) -> Callable[[Words], None]:
        """Takes groups of a row from ``first`` on; ``places`` are the lanes of ``values``."""
        lanes, bits = self._config.core.sweep_lanes, self._config.state_bits
        chunks = memory_map(self._config, "core")[Memory.READOUT].chunks

        def take(words: Words) -> None:
            found = unpack_lanes(words.reshape(-1, step)[:, :chunks], lanes, bits).reshape(-1)
            mine = (places >= first * lanes) & (places < first * lanes + len(found))
            values[mine] = found[places[mine] - first * lanes]
        return take

    def _counter_reads(self) -> Iterator[Request]:
        for unit in range(self._config.nodes):
            row = self._counters[unit]

            def take(words: Words, row: npt.NDArray[np.int64] = row) -> None:
                row[:] = words
            yield read_request(address(unit, Memory.COUNTERS, 0), len(Counter), take)

    # The record

    def _record_reads(self, sample: int) -> Iterator[Request]:
        """Everything that a sample can have given, before the next one overwrites it."""
        def take_head(words: Words) -> None:
            self._entries = []
            self._heads[sample] = int(words[0])
            self._check_lost(int(words[Register.RECORD_LOST - Register.RECORD_HEAD]))
            if words[0] > self._record.most:
                raise RanvierError(f"device: it recorded {int(words[0])} spike words, at most {self._record.most} can come; "
                                   "the bitstream is of another version")

        yield read_request(link_address(self._config, LinkMemory.REGISTERS, Register.RECORD_HEAD), _RECORD_REGISTERS, take_head)
        chunks = self._record.chunks
        total, most = self._record.most * chunks, MOST_READ // chunks * chunks
        for first in range(0, total, most):
            count = min(most, total - first)

            def take(words: Words, last: bool = first + count == total) -> None:
                self._entries.append(words)
                # If a reply was lost the block is run again.
                if last and sample in self._heads and sum(map(len, self._entries)) == total:
                    self._record.store(self._collected()[:self._heads[sample]], self._spikes, sample)
            yield read_request(link_address(self._config, LinkMemory.RECORD, first), count, take)

    def _collected(self) -> Words:
        return np.concatenate([np.zeros(0, np.uint32), *self._entries]).reshape(-1, self._record.chunks)

    def _check_lost(self, lost: int) -> None:
        if lost:
            raise RanvierError(f"device: {lost} spike words were lost, the record of {self._depth} words was full before the host "
                               "had read it; record fewer populations, or build with a larger record_depth")

    def _take_record(self) -> int:
        """Take what the record holds; the number of entries."""
        registers = self._session.read(link_address(self._config, LinkMemory.REGISTERS, Register.RECORD_HEAD), _RECORD_REGISTERS)
        head, lost = int(registers[0]), int(registers[Register.RECORD_LOST - Register.RECORD_HEAD])
        self._check_lost(lost)
        count = (head - self._tail) % (2 * self._depth)
        if count > self._depth:
            raise RanvierError(f"device: the record holds {count} of {self._depth} words; the bitstream is of another version")
        chunks = self._record.chunks
        for first, stop in _ring(self._tail, count, self._depth):
            self._entries.append(self._session.read(link_address(self._config, LinkMemory.RECORD, first * chunks), (stop - first) * chunks))
        if count:
            self._session.write(link_address(self._config, LinkMemory.REGISTERS, Register.RECORD_TAIL), head)
            self._tail = head
        return count

    # A fabric that takes its time

    def _on_busy(self) -> None:
        """A command was refused: take the record if the fabric waits for that, and see that it goes on at all."""
        state = int(self._session.read(link_address(self._config, LinkMemory.REGISTERS, Register.STATE), 1)[0])
        life = int(self._session.read(control_address(self._config, Control.CLOCKS), 1)[0])
        taken = self._take_record() if state & _WAITING and self._record.stop and not self._bounded else 0
        self._busy = 0 if taken or life != self._life else self._busy + 1
        self._life = life
        if self._busy > _MOST_BUSY:
            doing = "waits for input values" if state & _WAITING else "does not finish a tick" if state & _RUNNING else "is idle"
            raise RanvierError(f"device: it refuses commands as busy, and the fabric {doing}; reset it, or load the network again")


def _ring(tail: int, count: int, depth: int) -> list[tuple[int, int]]:
    """``count`` entries from ``tail`` on as pieces of a ring of ``depth``, a power of two."""
    first = tail % depth
    until = min(first + count, depth)
    return [piece for piece in ((first, until), (0, first + count - until)) if piece[0] < piece[1]]


def _one(where: int, value: int) -> Iterator[Request]:
    return write_requests(np.array([(where, value)], np.uint32))
