"""From a manifest to a run."""
