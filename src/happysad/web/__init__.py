"""The server and its page: happysad serve. Needs the extra web."""
