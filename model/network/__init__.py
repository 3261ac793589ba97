"""The network's mathematics: populations, projections, levels, headroom."""
