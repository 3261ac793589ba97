"""Boards: platform, pins, clock and default fabric of each, one file a board."""
