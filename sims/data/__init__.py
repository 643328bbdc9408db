"""Data that ships with the toolkit."""
