"""Teach: examples come in, are checked and learned from; the runs are seen and used."""
