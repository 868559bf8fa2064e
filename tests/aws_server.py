"""A local AWS server over real HTTP, whose answers a test can disturb one request at a time.

`with aws_server(monkeypatch) as server:` sets AWS_ENDPOINT_URL and fake credentials, so that
everything that boto3, Arrow and delta-rs do goes there.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import ipaddress
import json
import logging
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

REGION = "eu-west-1"
ACCOUNT = "123456789012"

Disturb = Callable[[Request, Callable[[], Response]], Response | None]
"""Gets a request and what passes it on; returns an answer, or None to let it pass."""


class DroppedError(Exception):
    """Raised by a disturbance: the connection breaks and no answer is sent."""


@dataclass
class Server:
    """The running server."""

    url: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(method, path with query) of every request, in order."""
    disturb: list[Disturb] = field(default_factory=list)

    def client(self, service: str, region: str = REGION) -> Any:
        """A plain boto3 client, for a test's own set-up and checks."""
        return boto3.client(service, region_name=region, endpoint_url=self.url)

    def bucket(self, name: str, region: str = REGION) -> Any:
        """Make a bucket and return an S3 client."""
        s3 = self.client("s3", region)
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        return s3

    def count(self, method: str, text: str = "") -> int:
        """How many requests of a method have a text in their path."""
        return sum(verb == method and text in path for verb, path in self.requests)


@contextmanager
def aws_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Point the environment at the server, emptied; it starts with the first test that asks."""
    server = _start()
    for name, value in environment(server.url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    server.disturb.clear()
    _reset(server)
    server.requests.clear()
    try:
        yield server
    finally:
        server.disturb.clear()


@functools.cache
def _start() -> Server:
    # One server for the whole run: boto3 takes longer to make a client than moto to answer it.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server(url="")
    backend = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        # Kept, so that a disturbance may look at the body before it is passed on.
        chunked = environ.get("wsgi.input_terminated", False)
        length = -1 if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = io.BytesIO(body)
        request = Request(environ)
        server.requests.append((request.method, request.full_path.rstrip("?")))

        def passed() -> Response:
            environ["wsgi.input"] = io.BytesIO(body)
            return Response.from_app(backend, environ)

        try:
            for disturbance in list(server.disturb):
                answer = disturbance(request, passed)
                if answer is not None:
                    return answer(environ, start_response)
        except DroppedError:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        environ["wsgi.input"] = io.BytesIO(body)
        return backend(environ, start_response)

    http = make_server("127.0.0.1", 0, app, threaded=True)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    return server


def environment(url: str) -> dict[str, str]:
    """The variables that send a process to the server at an address, and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


@contextmanager
def tls_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Server]:
    """As `aws_server`, by HTTPS with a certificate of an authority that only a bundle knows.

    The bundle is at `folder / "ca.pem"`; nothing points at it yet.
    """
    certificate = _certificates(folder)
    backend = DomainDispatcherApplication(create_backend_app)
    http = make_server("127.0.0.1", 0, backend, threaded=True, ssl_context=certificate)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with aws_server(monkeypatch):
        url = f"https://127.0.0.1:{http.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        try:
            yield Server(url)
        finally:
            http.shutdown()
            thread.join()
            http.server_close()


def _certificates(folder: Path) -> tuple[str, str]:
    """Write an authority's certificate, and one it signed with its key, for 127.0.0.1."""
    now = dt.datetime.now(dt.UTC)
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def builder(name: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    root = builder("authority", authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    subject = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    root = root.add_extension(subject, critical=False)
    leaf = builder("server", key.public_key())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = leaf.add_extension(names, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    leaf = leaf.add_extension(issuer, critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.sign(authority, hashes.SHA256()).public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.sign(authority, hashes.SHA256()).public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "server.pem"), str(folder / "server.key")


def _reset(server: Server) -> None:
    """Forget all buckets, topics and metrics: moto keeps them for the whole process."""
    urllib.request.urlopen(
        urllib.request.Request(f"{server.url}/moto-api/reset", method="POST"), timeout=10
    ).close()


def s3_error(code: str, message: str, status: int = 403) -> Response:
    """An answer as S3 gives it for an error."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(body, status, content_type="application/xml")


def sns_error(code: str, message: str, status: int = 403, fault: str = "Sender") -> Response:
    """An answer as SNS gives it for an error."""
    body = (
        '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
        f"<Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>0</RequestId></ErrorResponse>"
    )
    return Response(body, status, content_type="text/xml")


def json_error(code: str, message: str, status: int = 400) -> Response:
    """An answer as CloudWatch gives it for an error."""
    body = json.dumps({"__type": code, "message": message})
    made = Response(body, status, content_type="application/x-amz-json-1.0")
    made.headers["x-amzn-query-error"] = f"{code};Sender"
    return made


def received(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """Take everything out of a queue, each message's body parsed."""
    found: list[dict[str, Any]] = []
    while True:
        batch = sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0, AttributeNames=["All"]
        ).get("Messages", [])
        if not batch:
            return found
        for message in batch:
            found.append(json.loads(message["Body"]) | {"_sqs": message.get("Attributes", {})})
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
