"""The parts of the catalogue generator; its door is ``scripts/build_catalog.py``."""
