"""What a text says: clean text with offsets, terms of the lexicon, figures in base units."""
