"""What a technology changes in the hardware."""
