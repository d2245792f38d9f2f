"""Measurements, as ratios between things measured side by side in one run; started by ``make bench``, never by ``make test``."""
