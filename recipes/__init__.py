"""Commands that train what happysad ships."""
