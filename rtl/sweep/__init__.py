"""The sweep over the neurons at the end of a row."""
