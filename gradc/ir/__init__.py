"""The typed graph that programs are compiled to: its storage, its invariants, its textual form."""
