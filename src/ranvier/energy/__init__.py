"""What a sample costs: counts of a run first, then joules by tables that have a name and a version."""
