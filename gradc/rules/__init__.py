"""Rules as data: local gradients and rewrites, read from files in the notation of the language."""
