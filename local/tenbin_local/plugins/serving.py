"""The process of a Pulumi plugin: a gRPC server on loopback that announces its port and ends without a trace.

The engine starts a plugin as `<plugin> [flags] <engine address>`, reads the port from the first line of its standard
output and shows everything else that the plugin prints. It ends the plugin by SIGINT or SIGTERM.
"""

import concurrent.futures
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

import grpc

WORKERS = 128
"""Calls served at once. One thread waits per resource that is not ready yet, and the engine starts many at a time."""

PARENT_CHECK_S = 1.0
"""Seconds between two looks at whether the engine still lives."""

Register = Callable[[grpc.Server, str], Callable[[], None]]
"""Adds a servicer to the server, given the engine's address ("" when unknown), and returns what stops its work."""


def engine_address(arguments: Sequence[str]) -> str:
    """The engine's address among a plugin's arguments, "" where there is none."""
    plain = [argument for argument in arguments if not argument.startswith("-")]
    return plain[-1] if plain else ""


def serve(register: Register, arguments: Sequence[str]) -> None:
    """Serves until SIGINT, SIGTERM or the engine's death, then leaves the process."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    close = register(server, engine_address(arguments))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stop.wait(PARENT_CHECK_S) and os.getppid() == parent:
        pass
    close()
    server.stop(grace=0.2).wait()
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread that still waits for the cluster would hold the interpreter until its time-out.
    os._exit(0)
