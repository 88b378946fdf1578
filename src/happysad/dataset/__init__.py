"""From a folder to a manifest, a split and arrays."""
