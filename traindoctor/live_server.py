"""Serves the report of a run that goes on to the browsers of this machine, for reading only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .live_page import LivePage

LOOPBACK = "127.0.0.1"
_HOSTS = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class LiveServer(ThreadingHTTPServer):
    """Listens on the loopback address only; every path begins with a secret.

    A page of another site cannot read it: it knows no secret, other host names are refused (DNS rebinding),
    and nothing can be changed through it.

    Args:
        page: what is served.
        files: the page around the report: path -> (content type, bytes); "" is the page itself.
        port: 0 for a free one.

    Attributes:
        url: where a browser finds the page.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, page: LivePage, files: Mapping[str, tuple[str, bytes]], port: int = 0) -> None:
        self.page = page
        self.files = files
        self.token = secrets.token_urlsafe(24)
        super().__init__((LOOPBACK, port), Handler)
        self.url = f"http://{LOOPBACK}:{self.server_port}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server_version = "traindoctor"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a file of the page, the report, or the state."""
        server = self.server
        assert isinstance(server, LiveServer)
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        token, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        is_known = secrets.compare_digest(token.encode(), server.token.encode())
        if host not in _HOSTS or not is_known or not self.path.startswith(f"/{token}/"):
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n")
        elif name == "state":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(server.page.state()).encode())
        elif name == "report":
            html = server.page.html
            if html is None:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"no report yet\n")
            else:
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", html, "frame-ancestors 'self'")
        elif name in server.files:
            kind, content = server.files[name]
            self._answer(HTTPStatus.OK, kind, content)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n")

    def do_HEAD(self) -> None:
        """The same without the content."""
        self.do_GET()

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, policy: str = _POLICY) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line would show the secret."""
