"""Changes of the directory's tables, in order. Run when the deck is opened."""
