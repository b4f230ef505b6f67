"""`python -m tenbin_local.engine`: run one simulated engine until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

from tenbin_local.engine import arguments
from tenbin_local.engine.server import EngineServer


async def run(options: arguments.Options) -> int:
    """Load, serve until a signal comes, and stop as the options say; return the exit status."""
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    try:
        await asyncio.wait_for(signalled.wait(), max(options.load_s, 1e-9))
    except TimeoutError:
        pass
    else:
        return 0
    server = EngineServer(options)
    try:
        url = await server.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()
    await signalled.wait()
    await server.stop()
    return 0


def main() -> None:
    """Run from the command line."""
    raise SystemExit(asyncio.run(run(arguments.parse(sys.argv[1:]))))


if __name__ == "__main__":
    main()
