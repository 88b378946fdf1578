"""The layers of every request: the listening server, access control, limits, log, error answers."""
