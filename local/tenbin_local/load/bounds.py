"""Bounds of a run: a load client is a tool for one machine, and must not become a flood by a slip of the keyboard."""

from __future__ import annotations

MAX_DURATION_S = 3600.0
"""Length of a shape at most."""
MAX_MULTIPLE = 100.0
"""Multiple of the base rate in a shape at most."""
MAX_RATE = 500.0
"""Requests per second at most: what one client process can time honestly."""
MAX_REQUESTS = 100_000
"""Expected requests of one run at most."""
MAX_IN_FLIGHT = 1000
"""Open connections, where the command does not say; a request beyond is not sent, and an error."""
REQUEST_TIMEOUT_S = 120.0
"""A request that is not complete by then is given up, and an error; also the longest wait after the shape's end."""
