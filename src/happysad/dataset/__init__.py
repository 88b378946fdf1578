"""A folder of photos: what is in it, how it is split, and the arrays to learn from."""
