"""Delay the answers to wrong tokens, by the address of the client."""

from __future__ import annotations

import ipaddress
import time

import anyio

__all__ = ["WrongTokens"]

# Wrong tokens of an address that are answered at once: an old cookie sends some for a page.
_FREE = 10
# The first delay in seconds; it doubles with each further wrong token.
_FIRST = 0.1
# Seconds without a wrong token after which an address is as good as a new one.
_FORGET = 60.0
# Maximum number of addresses that are remembered, and of answers that are delayed at once.
_MAX_ADDRESSES, _MAX_WAITING = 1024, 64


class WrongTokens:
    """Counts wrong tokens by address, and delays their answers.

    A right token is never delayed, whatever its address has sent before: behind a proxy, all
    clients have one address.
    """

    def __init__(self, most: float) -> None:
        """Start without addresses.

        Args:
            most: maximum delay in seconds.
        """
        self._most = most
        self._seen: dict[str, tuple[int, float]] = {}
        self._waiting = 0

    async def wait(self, address: str) -> bool:
        """Count a wrong token, and wait before its answer.

        Args:
            address: the client's IP address.

        Returns:
            False if too many answers wait already; this one is then not delayed.
        """
        seconds = self.seconds(address, time.monotonic())
        if not seconds:
            return True
        if self._waiting >= _MAX_WAITING:
            return False
        self._waiting += 1
        try:
            await anyio.sleep(seconds)
        finally:
            self._waiting -= 1
        return True

    def seconds(self, address: str, now: float) -> float:
        """Count a wrong token, and return the delay of its answer in seconds.

        Args:
            address: the client's IP address. All IPv6 addresses of a /64 network count as one.
            now: the time in seconds, by any clock that does not go back.
        """
        key = _network(address)
        count, last = self._seen.pop(key, (0, now))
        count = 1 if now - last > _FORGET else count + 1
        self._seen[key] = count, now
        if len(self._seen) > _MAX_ADDRESSES:
            del self._seen[next(iter(self._seen))]  # the one that was seen the longest ago
        if count <= _FREE:
            return 0.0
        return min(self._most, _FIRST * 2.0 ** min(count - _FREE - 1, 16))


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4 or ip.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False))
