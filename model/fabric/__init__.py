"""The fabric's description: configuration, word formats, images, cycles."""
