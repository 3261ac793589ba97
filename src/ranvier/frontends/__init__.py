"""Front ends: networks as other programs write them."""
