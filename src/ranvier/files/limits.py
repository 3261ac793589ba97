"""Bounds of what is read from files."""

__all__ = ["MAX_CONTENT", "MAX_DIRECTORY", "MAX_ENTRIES", "MAX_FILE", "MAX_HEADER", "MAX_JSON", "MAX_NEURONS", "MAX_WEIGHTS"]

#: Largest file, and largest sum of its entries after decompression, in bytes.
MAX_FILE, MAX_CONTENT = 256 << 20, 512 << 20
#: Entries of an archive, and bytes of its directory.
MAX_ENTRIES, MAX_DIRECTORY = 1024, 1 << 20
#: Bytes of an array's header, and of a network's description.
MAX_HEADER, MAX_JSON = 4096, 16 << 20
#: Neurons of a network.
MAX_NEURONS = 1 << 20
#: Weights of a network, all projections together. Each takes 8 bytes once it is read, and some more to run.
MAX_WEIGHTS = 1 << 25
