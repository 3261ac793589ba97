"""What sequencer and scanner hand on: entries of work, and tokens for the lanes."""

from __future__ import annotations

from amaranth.lib import data

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import segment_word

__all__ = ["PIECE_BITS", "SLICE_BITS", "entry_layout", "row_fields", "token_layout"]

#: Bits of a spike word's slice, which a `SlicedScanner` takes in hand at once.
SLICE_BITS = 8
#: Bits of a spike word's piece: a piece and a bit for each of its slices are as wide as a block RAM of an ECP5 is where its output
#: register can be used.
PIECE_BITS = 16


def row_fields(config: FabricConfig) -> tuple[str, ...]:
    """Fields of an entry that go unchanged from the segment to the tokens."""
    return ("base", "double", "row_last", "row", "hold", "neurons", *(("restart",) if config.windows else ()))


def entry_layout(config: FabricConfig) -> data.StructLayout:
    """One piece of work for the scanner: a spike word, a doubling, or just the end of a row.

    ``filled`` has a bit for each slice of ``bits`` that is not 0, in a sliced scan only; the other slices then mean nothing.
    """
    fields = {f.name: f.bits for f in segment_word(config).fields}
    return data.StructLayout({
        "bits": config.word_bits, "filled": -(-config.word_bits // SLICE_BITS), "base": fields["weight_base"], "double": 1,
        "row_last": 1, "row": fields["row"], "hold": fields["hold"], "neurons": fields["neurons"],
        **_restart(config),
    })


def token_layout(config: FabricConfig) -> data.StructLayout:
    """What the lanes do with one clock: add a ``weight``, ``double`` the sums, or hand them over at a ``row_end``.

    The weight word is at ``address``; where memories are not late it is ``number`` words behind it.
    """
    entry = entry_layout(config)
    return data.StructLayout({
        "address": entry["base"].shape, "number": bits_for(config.word_bits - 1), "weight": 1, "double": 1, "row_end": 1,
        "row": entry["row"].shape, "neurons": entry["neurons"].shape,
        **_restart(config),
    })


def _restart(config: FabricConfig) -> dict[str, int]:
    """With windows: the row is of the first pass of a loop, or of none."""
    return {"restart": 1} if config.windows else {}
