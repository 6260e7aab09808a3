"""Structural checks of a fleet: read-only, one module per check, one finding per logical object."""
