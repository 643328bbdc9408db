"""Symbolic derivations of the closed forms, one module per subject."""
