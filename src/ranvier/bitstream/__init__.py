"""Bitstreams: from a board and a fabric to a file that can be loaded, with what it takes and how fast it is."""
