"""Data that ships with the toolkit."""

from pathlib import Path

FOLDER = Path(__file__).parent  # where scripts write what ships
