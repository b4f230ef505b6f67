"""What runs as image `tenbin/test`: a small HTTP server whose behaviour its arguments set, for trying out the agent.

It answers on `$(POD_IP)`:
    /            the pod's name
    /ready       200 while the file `ready` exists in its folder, or always without `--ready-file`; else 503
    /healthz     200 until `/break` was asked for; then 500
    /env         its environment as JSON
    /file?PATH   content of a file, PATH being absolute inside the pod
    /exit?CODE   the process ends with CODE
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from http import server
from pathlib import Path
from types import FrameType
from typing import ClassVar

ROOT = Path(os.environ.get("TENBIN_ROOT", "/"))


class Handler(server.BaseHTTPRequestHandler):
    """Answers one request."""

    ready_file: ClassVar[Path | None] = None
    broken: ClassVar[bool] = False

    def do_GET(self) -> None:
        """Dispatch by path."""
        path, _, query = self.path.partition("?")
        status, text = self._answer(path, query)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, path: str, query: str) -> tuple[int, str]:
        match path:
            case "/":
                return 200, os.environ.get("HOSTNAME", "")
            case "/ready":
                ready = self.ready_file is None or self.ready_file.exists()
                return (200, "ok") if ready else (503, "not yet")
            case "/healthz":
                return (500, "broken") if self.broken else (200, "ok")
            case "/break":
                type(self).broken = True
                return 200, "broken"
            case "/env":
                return 200, json.dumps(dict(os.environ))
            case "/file":
                return 200, (ROOT / query.lstrip("/")).read_text()
            case "/exit":
                os._exit(int(query))
        return 404, "unknown path"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Stay silent: probes would fill the log."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Serve until SIGTERM, or do the one thing that an option asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--ready-file", help="absolute path inside the pod; ready while it exists")
    parser.add_argument("--exit", type=int, help="end at once with this code")
    parser.add_argument("--term-delay-s", type=float, default=0.0, help="seconds between SIGTERM and the end")
    parser.add_argument("--ignore-term", action="store_true", help="do nothing on SIGTERM")
    options = parser.parse_args()
    _say(f"argv {json.dumps(sys.argv[1:])}")
    if options.exit is not None:
        return int(options.exit)
    if options.ready_file:
        Handler.ready_file = Path(options.ready_file)
    address = os.environ.get("POD_IP", "127.0.0.1")
    http = server.ThreadingHTTPServer((address, options.port), Handler)

    def stop(_number: int, _frame: FrameType | None) -> None:
        _say("SIGTERM")
        if not options.ignore_term:
            # From another thread: `shutdown` waits for the loop that this handler interrupts.
            threading.Timer(options.term_delay_s, http.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    with http:
        http.serve_forever(poll_interval=0.05)
    _say("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
