"""How good a classifier is, with intervals and baselines."""
