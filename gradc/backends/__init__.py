"""Backends: what a finished graph is turned into."""
