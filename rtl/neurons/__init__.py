"""The pipelines of the neurons: one lane of each family of `model/neurons/`, in a file of the same name."""
