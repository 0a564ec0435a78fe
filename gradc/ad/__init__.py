"""Differentiation: reverse and forward mode, and the expansion of derivative requests."""
