"""How good a classifier is, told honestly."""
