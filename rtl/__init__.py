"""The fabric in Amaranth: one block a file."""
