"""From text to graph: parsing, names, lowering."""
