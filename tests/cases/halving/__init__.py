"""A family of neurons that Ranvier does not have, as another package would add it."""
