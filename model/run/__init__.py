"""The models that run networks."""
