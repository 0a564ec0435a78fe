"""Checks derivatives: numerically, in both modes, in every backend; and says how accurate they are."""
