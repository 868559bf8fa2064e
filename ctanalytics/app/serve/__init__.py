"""Serve: a lake's reports, incidents, anomalies and events to a browser on this machine."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ctanalytics.app.serve.guard import Guard, guard, is_loopback, new_secret
from ctanalytics.app.serve.lakes import Lakes
from ctanalytics.app.serve.routes import handle
from ctanalytics.app.serve.server import Server, Tell
from ctanalytics.app.serve.site import Site
from ctanalytics.errors import UsageError
from ctanalytics.settings import Settings

__all__ = ["Serving", "serve"]


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that listens."""

    url: str
    """Where to begin; whoever knows it may read the lake."""
    warning: str
    """What to know before it is given to anybody; empty on a loopback address."""
    server: Server

    def run(self) -> None:
        """Answer requests until KeyboardInterrupt."""
        threading.Thread(target=_warm, daemon=True).start()
        self.server.serve_forever(poll_interval=0.2)


@contextmanager
def serve(settings: Settings, *, tell: Tell = lambda _: None) -> Iterator[Serving]:
    """Listen where `serve.host` and `serve.port` say, for as long as the with block lasts.

    Nothing is written, neither to the lake nor elsewhere. Every page needs the secret that stands in
    the address; it is new each time.

    Args:
        settings: `lake` says which lake, `report.output` where stored reports are.
        tell: hears of each request that is refused or fails, in a line.

    Raises:
        UsageError: the host is not this machine's own and `serve.allow_remote` is off, or nothing
            can listen there.
        LakeMissing: there is no lake.
    """
    _require_local(settings)
    lakes = Lakes(settings)
    secret = new_secret()
    site = Site(lakes, settings, f"/{secret}", lambda: dt.datetime.now(dt.UTC))
    check: Guard = guard(secret, settings.serve.host, settings.serve.names)
    address = settings.serve.host.strip("[]"), settings.serve.port
    try:
        server = Server(address, partial(handle, site=site, guard=check), tell)
    except OSError as error:
        raise UsageError(
            f"nothing can listen on {address[0]} port {address[1]}: {error.strerror or error}",
            where="--host and --port",
            mend="name another port, or leave --port out for one that is free",
        ) from error
    try:
        yield Serving(_url(settings, server.port, secret), _warning(settings), server)
    finally:
        lakes.stop()
        server.server_close()


def _warm() -> None:
    """Load what draws charts, which takes seconds, before the first page needs it."""
    import altair  # noqa: F401 - now, not within the first request


def _require_local(settings: Settings) -> None:
    host = settings.serve.host
    if settings.serve.allow_remote or is_loopback(host):
        return
    raise UsageError(
        f"{host} can be reached from other machines",
        where="--host (serve.host)",
        mend="use 127.0.0.1 and an SSH tunnel, or set serve.allow_remote = true; see docs/serve.md",
    )


def _url(settings: Settings, port: int, secret: str) -> str:
    host = settings.serve.host.strip("[]")
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = (settings.serve.names or ["127.0.0.1"])[0]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{secret}/"


def _warning(settings: Settings) -> str:
    if is_loopback(settings.serve.host):
        return ""
    return (
        "warning: other machines can reach this server, and what it sends is not encrypted: whoever "
        "sees the traffic or the address can read the lake until it is stopped"
    )
