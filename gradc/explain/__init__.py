"""Explanations and diagrams: values, local gradients, paths and their sums, in text and in pictures."""
