"""Files: networks, samples, and writing without half-written output."""
