"""A node with oddities: it stands before a real one and answers some methods in its own way."""

from __future__ import annotations

import dataclasses
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chain.network import NetworkFile
from tests.chain.world import World

Oddity = Callable[[list[Any], Callable[[], Any]], Any]
"""From the parameters, and what asks the real node, to the body of the answer: an object, or Http, or Hangup."""


@dataclass(frozen=True, slots=True)
class Http:
    """An answer with a status of its own."""

    status: int
    body: Any


@dataclass(frozen=True)
class Hangup:
    """The connection is closed without an answer."""


@dataclass
class OddNode:
    """`odd` holds the methods that are answered in another way; `asked` what was asked, in order."""

    target: str
    url: str = ""
    odd: dict[str, Oddity] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def says(self, method: str, **answer: Any) -> None:
        """The method gets this answer: result=..., or error=..."""
        self.odd[method] = lambda _params, _go_on: answer

    def network(self, world: World) -> NetworkFile:
        return dataclasses.replace(world.network, rpc_urls=(self.url,))

    def answer(self, body: bytes) -> Any:
        request = json.loads(body)
        self.asked.append(request["method"])

        def go_on() -> Any:
            onward = urllib.request.Request(self.target, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(onward, timeout=20) as response:
                return json.loads(response.read())

        oddity = self.odd.get(request["method"])
        return go_on() if oddity is None else oddity(request["params"], go_on)


@contextmanager
def odd_node(target: str) -> Iterator[OddNode]:
    node = OddNode(target)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found = node.answer(self.rfile.read(int(self.headers["Content-Length"])))
            if isinstance(found, Hangup):
                self.close_connection = True
                return
            status, body = (found.status, found.body) if isinstance(found, Http) else (200, found)
            text = json.dumps({"jsonrpc": "2.0", "id": 1} | body if isinstance(body, dict) else body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
