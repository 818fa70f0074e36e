"""The rows of deleted runs: written before they go, in a place from which they can be put back."""
