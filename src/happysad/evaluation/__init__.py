"""The evaluation of classifiers, with intervals and baselines."""
