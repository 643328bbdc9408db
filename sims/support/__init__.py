"""Plumbing that every subject shares: processes, progress, files, output."""
