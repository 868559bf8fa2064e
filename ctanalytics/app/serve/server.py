"""The server: sockets and threads around `handle`, bounded in number and time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.app.serve.http import Request, Response, plain

CONNECTIONS: Final = 32
"""At the same time; further ones are closed unread, as anybody on the machine may open them."""
_SOCKET_SECONDS: Final = 15.0

Answer = Callable[[Request], Response]
Tell = Callable[[str], None]


class Server(ThreadingHTTPServer):
    """Answers requests, each in a thread.

    Args:
        address: host and port; port 0 takes a free one.
        answer: what makes a response.
        tell: hears of each request that is refused or fails, in a line.

    Raises:
        OSError: the address is in use or not of this machine.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"
    """A port of a moment ago can be had again; on Windows it would be shared with another server."""

    def __init__(self, address: tuple[str, int], answer: Answer, tell: Tell) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self.tell = tell
        super().__init__(address, partial(_Handler, answer))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a connection, unless there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a reader went away, or a connection was too slow."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "ctanalytics"
    sys_version = ""
    timeout = _SOCKET_SECONDS
    server: Server

    def __init__(self, answer: Answer, *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def _respond(self) -> None:
        names = [name.lower() for name in self.headers]
        if names.count("host") > 1 or names.count("origin") > 1:
            self._send(plain("a header is there twice", 400))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        try:
            response = self._answer(request)
        except Exception as error:
            # What went wrong is the operator's to read; a reader may not be one.
            self.server.tell(f"a page failed: {type(error).__name__}: {error}")
            response = plain("this page can't be made; the server's terminal says why", 500)
        if response.status in (403, 421):
            host = untrusted.one_line(headers.get("host", ""), limit=80)
            self.server.tell(f"refused a request ({response.status}) for host {host!r}")
        self._send(response)

    # Names that http.server calls.
    do_GET = do_HEAD = do_OPTIONS = _respond  # noqa: N815 - http.server's names
    do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - http.server's names

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, *_: Any, **__: Any) -> None:
        """Answer what isn't HTTP with our own headers and without its words."""
        self._send(plain("this request can't be read", code))

    def log_message(self, *_: Any) -> None:
        """Keep no log: addresses of pages hold the secret."""
