"""Memories, the configuration chain, counters."""
