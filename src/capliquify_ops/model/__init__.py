"""The nouns that cross every boundary: standard library only, no input or output."""
