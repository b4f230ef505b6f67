"""AWS's price and instance operations over HTTP on loopback, in AWS's own protocols, for botocore as it is.

Answers are cut into pages, and a page comes only for the token of the one before.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import botocore.session
from botocore.model import ServiceModel, Shape

Pages = list[dict[str, Any]]


class Endpoint:
    """What AWS is to answer, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Pages | Callable[[dict[str, str]], Pages]] = {}
        """Pages by operation, or how they follow from the parameters."""
        self.failures: dict[str, collections.deque[tuple[int, str]]] = collections.defaultdict(collections.deque)
        """Status and code of the next answers of an operation, before any page."""
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [parameters for name, parameters in self.calls if name == operation]

    def respond(self, operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        """Return status and page, or status and code of an error."""
        self.calls.append((operation, parameters))
        if self.failures[operation]:
            return self.failures[operation].popleft()
        answer = self.answers.get(operation)
        if answer is None:
            return 400, "UnexpectedOperation"
        pages = answer(parameters) if callable(answer) else answer
        index = int(parameters.get("NextToken", 0))
        more = {"NextToken": str(index + 1)} if index + 1 < len(pages) else {}
        return 200, {**pages[index], **more}


@contextlib.contextmanager
def serve() -> Iterator[Endpoint]:
    """Serve on a free port until the context ends."""
    ec2 = botocore.session.get_session().get_service_model("ec2")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target")
            if target:
                status, page = endpoint.respond(target.split(".")[1], json.loads(body))
                plain = {"__type": page, "message": "told by the test"} if isinstance(page, str) else page
                self._send(status, "application/x-amz-json-1.1", json.dumps(plain))
            else:
                parameters = dict(urllib.parse.parse_qsl(body))
                status, page = endpoint.respond(parameters["Action"], parameters)
                self._send(status, "text/xml", _xml(ec2, parameters["Action"], page))

        def _send(self, status: int, kind: str, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _xml(model: ServiceModel, operation: str, page: dict[str, Any] | str) -> str:
    if isinstance(page, str):
        return (
            f"<Response><Errors><Error><Code>{page}</Code><Message>told by the test</Message></Error></Errors>"
            "<RequestID>1</RequestID></Response>"
        )
    root = ElementTree.Element(f"{operation}Response")
    _append(root, model.operation_model(operation).output_shape, page)
    return ElementTree.tostring(root, encoding="unicode")


def _append(parent: ElementTree.Element, shape: Shape, value: Any) -> None:
    """Append a value in the form of its shape in AWS's own service model."""
    if shape.type_name == "structure":
        for name, item in value.items():
            member = shape.members[name]
            child = ElementTree.SubElement(parent, member.serialization.get("name", name))
            _append(child, member, item)
    elif shape.type_name == "list":
        for item in value:
            _append(ElementTree.SubElement(parent, "item"), shape.member, item)
    else:
        parent.text = value.isoformat() if isinstance(value, datetime.datetime) else str(value)
