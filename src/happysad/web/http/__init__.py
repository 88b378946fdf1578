"""What every request passes: the listening server, its guard, limits, log and error answers."""
