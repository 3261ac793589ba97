"""Evidence: random networks, faults, model against RTL."""
