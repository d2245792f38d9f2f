"""Presets: named sets of model files, what of them is on disk, and how to get, check and remove them."""
