"""What sequencer and scanner hand on: entries of work, and tokens for the lanes."""

from __future__ import annotations

from amaranth.lib import data

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import segment_word

__all__ = ["PIECE_BITS", "ROW_FIELDS", "SLICE_BITS", "entry_layout", "token_layout"]

#: Bits of a spike word's slice, which a `SlicedScanner` takes in hand at once.
SLICE_BITS = 8
#: Bits of a spike word's piece: a piece and a bit for each of its slices are as wide as a block RAM of an ECP5 is where its output
#: register can be used.
PIECE_BITS = 16
#: Fields of an entry that go unchanged from the segment to the tokens.
ROW_FIELDS = ("base", "double", "row_last", "row", "hold", "neurons")


def entry_layout(config: FabricConfig) -> data.StructLayout:
    """One piece of work for the scanner: a spike word, a doubling, or just the end of a row.

    ``filled`` has a bit for each slice of ``bits`` that is not 0, in a sliced scan only; the other slices then mean nothing.
    """
    fields = {f.name: f.bits for f in segment_word(config).fields}
    return data.StructLayout({
        "bits": config.word_bits, "filled": -(-config.word_bits // SLICE_BITS), "base": fields["weight_base"], "double": 1,
        "row_last": 1, "row": fields["row"], "hold": fields["hold"], "neurons": fields["neurons"],
    })


def token_layout(config: FabricConfig) -> data.StructLayout:
    """What the lanes do with one clock: add a ``weight``, ``double`` the sums, or hand them over at a ``row_end``.

    The weight word is at ``address``; where memories are not late it is ``number`` words behind it.
    """
    entry = entry_layout(config)
    return data.StructLayout({
        "address": entry["base"].shape, "number": bits_for(config.word_bits - 1), "weight": 1, "double": 1, "row_end": 1,
        "row": entry["row"].shape, "neurons": entry["neurons"].shape,
    })
