"""Closed forms, bounds and laws. No random number, no file, no plot."""
