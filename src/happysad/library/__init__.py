"""Sorting of photos into folders; see happysad.batch."""
