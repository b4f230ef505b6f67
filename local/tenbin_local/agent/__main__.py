"""Command line of the node agent: `python -m tenbin_local.agent --environment ROOT`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path

from tenbin_local import errors
from tenbin_local.agent import loop, settings


def _raise_file_limit() -> None:
    """Each forwarded connection takes two descriptors: the usual limit of 1024 is too low for a busy Service."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _main(environment: settings.Environment) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
    await loop.run(environment, stop)


def main() -> int:
    """Run until SIGTERM or SIGINT; 1 where the environment cannot be used."""
    parser = argparse.ArgumentParser(prog="tenbin_local.agent", description="Node agent of a local environment.")
    parser.add_argument("--environment", type=Path, required=True, help="folder of the environment")
    parser.add_argument("--verbose", action="store_true", help="log more")
    arguments = parser.parse_args()
    level = logging.DEBUG if arguments.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    _raise_file_limit()
    try:
        asyncio.run(_main(settings.Environment.load(arguments.environment)))
    except errors.LocalError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the message is for people
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
