"""The real server on a real socket, spoken to in bytes."""

from __future__ import annotations

import socket
import stat
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from ctanalytics.app.serve import Serving, serve
from ctanalytics.app.serve.opening import opened
from ctanalytics.app.serve.server import CONNECTIONS
from ctanalytics.errors import LakeMissing, UsageError
from ctanalytics.lake.lake import Lake
from tests.app.serve import scene


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("serving") / "lake"
    Lake.create(place)
    return place


HEARD: list[str] = []


@pytest.fixture(scope="module")
def serving(lake: Path) -> Iterator[Serving]:
    with serve(scene.settings(lake), tell=HEARD.append) as found:
        worker = threading.Thread(target=found.server.serve_forever, args=(0.02,))
        worker.start()
        yield found
        found.server.shutdown()
        worker.join()


def said(serving: Serving, request: str) -> tuple[int, dict[str, str], bytes]:
    """Send a request as it stands, and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", serving.server.port), timeout=30) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def get(serving: Serving, path: str = "", method: str = "GET", host: str = "127.0.0.1") -> str:
    return f"{method} {urlsplit(serving.url).path}{path} HTTP/1.1\nHost: {host}\n\n"


def test_an_empty_lake_is_shown(serving: Serving) -> None:
    with urllib.request.urlopen(serving.url) as answer:
        assert answer.status == 200
        assert "The lake holds no events yet." in answer.read().decode()
    assert said(serving, get(serving, "events"))[0] == 200


def test_a_head_has_no_body(serving: Serving) -> None:
    status, headers, body = said(serving, get(serving, "style.css", "HEAD"))
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 5_000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 404),
        ("GET http://127.0.0.1/ HTTP/1.1\nHost: 127.0.0.1\n\n", 404),
        ("GET / HTTP/1.1\n\n", 421),
        ("GET / HTTP/1.1\nHost: evil.example\n\n", 421),
        ("GET / HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\n\n", 400),
        ("GET / HTTP/1.1\nHost: 127.0.0.1\nOrigin: http://evil.example\n\n", 403),
        ("POST / HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 0\n\n", 405),
        ("TRACE / HTTP/1.1\nHost: 127.0.0.1\n\n", 501),
        ("GET /" + "x" * 70_000 + " HTTP/1.1\nHost: 127.0.0.1\n\n", 414),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_not_ask_hears_nothing_of_the_lake(
    serving: Serving, request_: str, status: int
) -> None:
    found, headers, body = said(serving, request_)
    assert found == status
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"lake" not in body
    assert len(body) < 100


def test_refusals_are_told_without_obeying_what_they_hold(serving: Serving) -> None:
    said(serving, get(serving, host="evil\x1b[2J.example"))
    assert HEARD[-1] == "refused a request (421) for host 'evil\\\\x1b[2J.example'"


def test_the_secret_is_told_to_nobody(serving: Serving) -> None:
    secret = urlsplit(serving.url).path.strip("/")
    said(serving, get(serving, "events"))
    assert not [line for line in HEARD if secret in line]
    _, _, body = said(serving, "GET /x HTTP/1.1\nHost: 127.0.0.1\n\n")
    assert secret.encode() not in body


def test_too_many_connections_are_closed_and_later_ones_answered(serving: Serving) -> None:
    with ExitStack() as open_ones:
        for _ in range(CONNECTIONS):
            address = ("127.0.0.1", serving.server.port)
            open_ones.enter_context(socket.create_connection(address, timeout=30))
        with pytest.raises((ConnectionError, ValueError, IndexError)):
            said(serving, get(serving, "style.css"))
    waited = threading.Event()
    for _ in range(200):
        try:
            assert said(serving, get(serving, "style.css"))[0] == 200
            return
        except (ConnectionError, ValueError, IndexError):
            waited.wait(0.05)
    pytest.fail("no connection became free")


def test_a_taken_port_is_told(lake: Path, serving: Serving) -> None:
    taken = scene.settings(lake, **{"serve.port": serving.server.port})
    with pytest.raises(UsageError, match="can listen on"), serve(taken):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_other_machines_are_answered_only_when_a_setting_says_so(lake: Path, host: str) -> None:
    with pytest.raises(UsageError) as caught, serve(scene.settings(lake, **{"serve.host": host})):
        pass
    assert "serve.allow_remote" in caught.value.mend


def test_a_remote_server_warns_and_names_itself(lake: Path) -> None:
    flags = {
        "serve.host": "0.0.0.0",
        "serve.allow_remote": True,
        "serve.names": ["lake.example.com"],
    }
    with serve(scene.settings(lake, **flags)) as found:
        assert "not encrypted" in found.warning
        assert found.url.startswith(f"http://lake.example.com:{found.server.port}/")


def test_a_place_without_a_lake_is_told_before_anything_listens(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing), serve(scene.settings(tmp_path / "none")):
        pass


def test_the_browser_is_led_by_a_file_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_urls: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened_urls.append)
    with opened("http://127.0.0.1:1/secret/"):
        (url,) = opened_urls
        file = Path(unquote(urlsplit(url).path))
        assert url.startswith("file:")
        assert "secret" not in url
        assert 'content="0; url=http://127.0.0.1:1/secret/"' in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.exists()
