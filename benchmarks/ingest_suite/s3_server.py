"""A local S3 server on a core of its own: SeaweedFS when it is installed, else moto's."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BUCKET: Final = "logs"
REGION: Final = "eu-west-1"
KEY, SECRET = "AKIABENCHMARKEXAMPLE", "only-for-this-benchmark"

_COUNTED = re.compile(r'SeaweedFS_s3_request_total\{.*type="(\w+)"\} (\S+)')
_START_SECONDS: Final = 60


@dataclass(frozen=True)
class Server:
    """A running server."""

    kind: str
    url: str
    metrics: str
    filer: str

    def client(self, connections: int = 32) -> Any:
        """A plain boto3 client of it."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            config=Config(max_pool_connections=connections),
        )

    def requests(self) -> dict[str, int]:
        """How many requests of each kind the server has seen; empty when it doesn't count."""
        if not self.metrics:
            return {}
        with urllib.request.urlopen(self.metrics) as answer:
            text = answer.read().decode()
        found: dict[str, int] = {}
        for kind, count in _COUNTED.findall(text):
            found[kind] = found.get(kind, 0) + int(float(count))
        return found

    def upload(self, folder: Path, *, fast: bool = False) -> None:
        """Put a folder's files into the bucket, keys as their paths.

        Args:
            fast: past the S3 interface where the server has a way; the objects get no ETag then.
        """
        if fast and self.filer:
            for entry in sorted(folder.iterdir()):
                subprocess.run(
                    [
                        _weed(),
                        "filer.copy",
                        "-c=8",
                        str(entry),
                        f"{self.filer}/buckets/{BUCKET}/",
                    ],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            return
        s3 = self.client()

        def put(path: Path) -> None:
            s3.put_object(Bucket=BUCKET, Key=str(path.relative_to(folder)), Body=path.read_bytes())

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, (path for path in folder.rglob("*") if path.is_file())))


@contextmanager
def running(place: Path, cores: list[int]) -> Iterator[Server]:
    """Start a server whose data lies in a folder, on some cores, and stop it at the end."""
    place.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    start = _seaweed if _weed() else _moto
    command, server = start(place)
    with (place / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            _await(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed") or ""


def _seaweed(place: Path) -> tuple[list[str], Server]:
    identity = {
        "name": "benchmark",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    config = place / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = _free_ports(2 * len(names) + 1)
    command = [_weed(), "server", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-filer", "-s3", f"-s3.config={config}", "-master.telemetry=false"]
    command += ["-master.volumeSizeLimitMB=1024", "-volume.max=40"]
    for name, port, grpc in zip(names, ports[::2], ports[1::2], strict=False):
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
    command += [f"-metricsPort={ports[-1]}", f"-filer.localSocket={place}/filer.sock"]
    at = "http://127.0.0.1:{}"
    server = Server(
        "SeaweedFS",
        at.format(ports[6]),
        at.format(ports[-1]) + "/metrics",
        # Its copying command wants both ports in one address.
        at.format(f"{ports[4]}.{ports[5]}"),
    )
    return command, server


def _moto(place: Path) -> tuple[list[str], Server]:  # noqa: ARG001
    (port,) = _free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return command, Server("moto", f"http://127.0.0.1:{port}", "", "")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server takes requests; make the bucket if it is not there."""
    import botocore.exceptions

    s3 = server.client()
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            if BUCKET not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
                s3.create_bucket(
                    Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
                )
            return
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            if time.monotonic() > end or process.poll() is not None:
                raise
            time.sleep(0.3)
