"""From the program to weights: sequencer, scanner, queue."""
