"""How fast `ctanalytics validate` is, beside `aws cloudtrail validate-logs`, on the same bucket.

python benchmarks/validate.py [--files N] [--rounds N] [--latency-ms N ...] [--json]

Both validate the same log files at the same local endpoint, which answers what S3 and CloudTrail
would (listings, objects with their metadata, ListPublicKeys) from files in memory. Every answer
waits for --latency-ms first, as a bucket does: S3's first byte takes 10 to 30 ms within a region.
The claim is judged at 15 ms; with 0 only the processor time of both clients and of the server, which
share the cores, is measured. Every run is a process of
its own, timed from its start to its exit, the two in turns; figures are medians over the rounds,
judged by their ratio. `make bench-validate` installs the AWS CLI first.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import gzip
import hashlib
import json
import os
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric import rsa

from ctanalytics.records import digest as form
from ctanalytics.records import object_key

BUCKET = "audit-logs"
ACCOUNT = "111122223333"
REGION = "eu-west-1"
TRAIL = "main"
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
RECORDS = 40  # of one log file, about 1 kB each


@dataclass
class Bucket:
    """Objects with their metadata, and the key that signs."""

    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def fill(self, files: int, hours: int) -> dt.datetime:
        """Write a trail of so many log files; return its end."""
        der = form.public_key_der(self.key.public_key())
        previous: tuple[form.Digest, bytes, str] | None = None
        for hour in range(hours):
            since = START + hour * HOUR
            count = files * (hour + 1) // hours - files * hour // hours
            logs = [self._log(since + HOUR * n / count, f"{hour:08d}{n:08d}") for n in range(count)]
            digest = form.Digest(
                account_id=ACCOUNT,
                start_time=f"{since:%Y-%m-%dT%H:%M:%SZ}",
                end_time=f"{since + HOUR:%Y-%m-%dT%H:%M:%SZ}",
                bucket=BUCKET,
                key=object_key.digest_key(
                    account_id=ACCOUNT,
                    aws_region=REGION,
                    end=since + HOUR,
                    trail=TRAIL,
                    home_region=REGION,
                ),
                fingerprint=form.fingerprint(der),
                previous_bucket=previous[0].bucket if previous else None,
                previous_key=previous[0].key if previous else None,
                previous_sha256=hashlib.sha256(previous[1]).hexdigest() if previous else None,
                previous_signature=previous[2] if previous else None,
                log_files=tuple(logs),
            )
            content = form.build(digest)
            signature = form.sign(self.key, form.signing_string(digest, content))
            metadata = {"signature": signature, "signature-algorithm": form.SIGNATURE_ALGORITHM}
            self.objects[digest.key] = gzip.compress(content), metadata
            previous = digest, content, signature
        return START + hours * HOUR

    def _log(self, time: dt.datetime, unique: str) -> form.LogFile:
        key = object_key.log_key(
            account_id=ACCOUNT, aws_region=REGION, delivered=time, unique=unique
        )
        record = {"eventVersion": "1.11", "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}"}
        record |= {"requestParameters": "".join(hashlib.sha256(unique.encode()).hexdigest() * 12)}
        records = [record | {"eventID": f"{unique}-{n}"} for n in range(RECORDS)]
        content = json.dumps({"Records": records}).encode()
        self.objects[key] = gzip.compress(content, 6), {}
        return form.LogFile(bucket=BUCKET, key=key, sha256=hashlib.sha256(content).hexdigest())


def serve(bucket: Bucket, latency: float) -> tuple[socketserver.ThreadingTCPServer, str]:
    """Answer as S3 and CloudTrail would, each answer after a wait; as little work as can be, since
    the server takes its time from the clients' cores."""
    names = sorted(bucket.objects)
    objects = {
        f"/{BUCKET}/{urllib.parse.quote(key, safe='/~')}".encode(): _answer(data, metadata)
        for key, (data, metadata) in bucket.objects.items()
    }
    location = _answer(f"<LocationConstraint>{REGION}</LocationConstraint>".encode())
    missing = _answer(b"<Error><Code>NoSuchKey</Code></Error>", status="404 Not Found")

    def answer(method: bytes, target: bytes) -> bytes:
        path, _, text = target.partition(b"?")
        if method == b"POST":
            return _answer(_keys(bucket), kind="application/x-amz-json-1.1")
        if path in objects:
            return objects[path]
        query = dict(urllib.parse.parse_qsl(text.decode(), keep_blank_values=True))
        if path.rstrip(b"/") != f"/{BUCKET}".encode():
            return missing
        if method == b"HEAD":
            return _answer(b"")
        return location if "location" in query else _answer(_listing(names, bucket, query))

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            """Answer the requests of one connection."""
            while line := self.rfile.readline():
                method, target, _ = line.split(b" ", 2)
                length = 0
                while (header := self.rfile.readline()) not in (b"\r\n", b""):
                    if header[:15].lower() == b"content-length:":
                        length = int(header[15:])
                self.rfile.read(length)
                if latency:
                    time.sleep(latency)
                self.wfile.write(answer(method, target))

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def _answer(
    body: bytes,
    metadata: dict[str, str] | None = None,
    *,
    kind: str = "application/xml",
    status: str = "200 OK",
) -> bytes:
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "ETag": f'"{len(body):032x}"',
        "Last-Modified": formatdate(0, usegmt=True),
        "x-amz-bucket-region": REGION,
        **{f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def _keys(bucket: Bucket) -> bytes:
    der = form.public_key_der(bucket.key.public_key())
    entry = {
        "Value": base64.b64encode(der).decode(),
        "Fingerprint": form.fingerprint(der),
        "ValidityStartTime": (START - 90 * 24 * HOUR).timestamp(),
        "ValidityEndTime": (START + 90 * 24 * HOUR).timestamp(),
    }
    return json.dumps({"PublicKeyList": [entry]}).encode()


def _listing(names: list[str], bucket: Bucket, query: dict[str, str]) -> bytes:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token") or query.get("start-after") or query.get("marker", "")
    entries: list[str] = []
    folders: list[str] = []
    truncated = last = ""
    for name in names:
        if not name.startswith(prefix) or name <= after:
            continue
        inner = name[len(prefix) :]
        if delimiter and delimiter in inner:
            folder = prefix + inner.partition(delimiter)[0] + delimiter
            if folder not in folders:
                folders.append(folder)
            continue
        if len(entries) == 1_000:
            truncated = last
            break
        last = name
        entries.append(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-03-02T00:00:00.000Z"
            f"</LastModified><ETag>&quot;0&quot;</ETag><Size>{len(bucket.objects[name][0])}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    text = "<ListBucketResult>"
    text += f"<IsTruncated>{'true' if truncated else 'false'}</IsTruncated>"
    if truncated:
        text += f"<NextContinuationToken>{escape(truncated)}</NextContinuationToken>"
        text += f"<NextMarker>{escape(truncated)}</NextMarker>"
    text += "".join(entries)
    text += "".join(
        f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders
    )
    return (text + "</ListBucketResult>").encode()


def timed(command: list[str], url: str, folder: str, wanted: str) -> float:
    """Run a command to its end; it must find every file valid."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode or wanted not in done.stdout:
        raise SystemExit(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return seconds


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[15.0, 0.0])
    parser.add_argument("--aws", default="build/awscli/bin/aws")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    bucket = Bucket()
    until = bucket.fill(chosen.files, chosen.hours)
    span = [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (START, until)]
    arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}"
    theirs = [str(Path(chosen.aws).absolute()), "cloudtrail", "validate-logs", "--trail-arn", arn]
    theirs += ["--s3-bucket", BUCKET, "--start-time", span[0], "--end-time", span[1]]
    ours = [sys.executable, "-c", "from ctanalytics.cli.main import run; run()", "validate"]
    ours += [f"s3://{BUCKET}", "--trail-arn", arn, "--since", span[0], "--until", span[1]]
    wanted = f"{chosen.files}/{chosen.files} log files valid"
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for latency in chosen.latency_ms:
            server, url = serve(bucket, latency / 1_000)
            times: dict[str, list[float]] = {"aws": [], "ctanalytics": []}
            for _ in range(chosen.rounds):
                times["aws"].append(timed(theirs, url, folder, wanted))
                times["ctanalytics"].append(timed(ours, url, folder, wanted))
            server.shutdown()
            aws, own = (statistics.median(times[name]) for name in ("aws", "ctanalytics"))
            results.append(
                {"latency_ms": latency, "aws_seconds": aws, "seconds": own, "ratio": aws / own}
            )
    if chosen.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{chosen.files} log files in {chosen.hours} digests, median of {chosen.rounds}")
    print(f"{'latency':>10} {'aws':>10} {'ctanalytics':>12} {'ratio':>7}")
    for row in results:
        print(
            f"{row['latency_ms']:>7.0f} ms {row['aws_seconds']:>8.2f} s {row['seconds']:>10.2f} s "
            f"{row['ratio']:>6.1f}x"
        )


if __name__ == "__main__":
    main()
