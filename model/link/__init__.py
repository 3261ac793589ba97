"""The link between host and device."""
