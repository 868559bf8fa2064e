from __future__ import annotations

import pytest

from ctanalytics.app.serve.guard import guard, is_loopback, new_secret
from ctanalytics.app.serve.http import Request, Response

CHECK = guard("s3cret", "127.0.0.1", ["lake.example.com"])


def asked(target: str = "/s3cret/", method: str = "GET", **headers: str) -> str | int:
    """The path that is let through, or the status of the refusal."""
    found = CHECK.path_of(Request(method, target, {"host": "127.0.0.1:8000"} | headers))
    return found.status if isinstance(found, Response) else found


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/s3cret/", "/"),
        ("/s3cret/events?ip=1.2.3.4", "/events"),
        ("/s3cret/../../etc/passwd", "/../../etc/passwd"),
        ("/s3cret//etc/passwd", "//etc/passwd"),
    ],
)
def test_the_path_after_the_secret_is_what_is_asked_for(target: str, path: str) -> None:
    assert asked(target) == path


@pytest.mark.parametrize(
    "target", ["/", "/events", "/S3CRET/", "/s3cre/", "/s3crets/", "/%733cret/", "?/s3cret/", "*"]
)
def test_without_the_secret_nothing_is_there(target: str) -> None:
    assert asked(target) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_only_reading_methods_are_answered(method: str) -> None:
    assert asked(method=method) == 405


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8000", "lake.example.com:8000"]
)
def test_own_names_are_answered_at_any_port_of_a_tunnel(host: str) -> None:
    assert asked(host=host) == "/"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "127.0.0.2",
        "0.0.0.0:8000",
        "user@127.0.0.1",
        "127.0.0.1/evil.example",
        "[::1",
        "127.0.0.1:8000, evil.example",
    ],
)
def test_a_name_that_was_bound_to_this_address_by_others_is_refused(host: str) -> None:
    assert asked(host=host) == 421


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("http://127.0.0.1:8000", "/"),
        ("http://127.0.0.1:9000", 403),
        ("https://127.0.0.1:8000", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_pages_of_this_server_may_ask(origin: str, found: str | int) -> None:
    assert asked(origin=origin) == found


def test_a_remote_server_is_not_called_by_loopback_names() -> None:
    remote = guard("s3cret", "198.51.100.7")
    refused = remote.path_of(Request("GET", "/s3cret/", {"host": "localhost"}))
    assert isinstance(refused, Response)
    assert remote.path_of(Request("GET", "/s3cret/", {"host": "198.51.100.7:80"})) == "/"


def test_secrets_are_long_and_new_each_time() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
    assert all(len(new_secret()) == 43 for _ in range(5))  # 32 bytes in base64


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, local: bool) -> None:
    assert is_loopback(host) is local
