"""A small trail that tests build and tamper with: logs, digests and keys, written by no code of
the simulator; and the network edge that CloudTrail itself would be."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.wrappers import Request, Response

BUCKET = "audit-logs"
ACCOUNT = "111122223333"
REGION = "eu-west-1"
TRAIL = "main_trail"
START = dt.datetime(2026, 3, 2, 6, 0, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@functools.cache
def private_key(name: str = "aws") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def der(name: str = "aws") -> bytes:
    return private_key(name).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)


def text(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Object:
    """An object of the bucket."""

    data: bytes
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass
class Trail:
    """The objects of a bucket, and what is known about each hour."""

    hours: int = 6
    logs_an_hour: int = 2
    account: str = ACCOUNT
    region: str = REGION
    home_region: str = REGION
    trail: str = TRAIL
    organization: str | None = None
    prefix: str = ""
    bucket: str = BUCKET
    start: dt.datetime = START
    signer: str = "aws"
    objects: dict[str, Object] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    """Keys of the digests, oldest first."""
    logs: list[list[str]] = field(default_factory=list)
    """Keys of the log files of each digest."""

    def __post_init__(self) -> None:
        for _ in range(self.hours):
            self.add_hour()

    @property
    def root(self) -> str:
        before = f"{self.prefix}/" if self.prefix else ""
        within = f"{self.organization}/" if self.organization else ""
        return f"{before}AWSLogs/{within}{self.account}"

    @property
    def end(self) -> dt.datetime:
        return self.start + len(self.digests) * HOUR

    @property
    def all_logs(self) -> list[str]:
        return [key for hour in self.logs for key in hour]

    def log_key(self, time: dt.datetime, unique: str) -> str:
        return (
            f"{self.root}/CloudTrail/{self.region}/{time:%Y/%m/%d}/"
            f"{self.account}_CloudTrail_{self.region}_{time:%Y%m%dT%H%MZ}_{unique}.json.gz"
        )

    def digest_key(self, end: dt.datetime, *, backfill: bool = False) -> str:
        return (
            f"{self.root}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/{self.account}"
            f"_CloudTrail-Digest_{self.region}_{self.trail}_{self.home_region}"
            f"_{end:%Y%m%dT%H%M%SZ}{'_backfill' if backfill else ''}.json.gz"
        )

    def put_log(self, time: dt.datetime, unique: str) -> str:
        """Add a log file without telling any digest."""
        record = {"eventVersion": "1.11", "eventID": unique, "eventTime": text(time)}
        record |= {"eventSource": "s3.amazonaws.com", "eventName": "ListBuckets"}
        record |= {"awsRegion": self.region, "recipientAccountId": self.account}
        content = json.dumps({"Records": [record]}).encode()
        key = self.log_key(time, unique)
        self.objects[key] = Object(gzip.compress(content, mtime=0))
        return key

    def add_hour(self, *, starting: bool = False, skip: dt.timedelta = dt.timedelta()) -> str:
        """Add an hour of logs and its digest.

        Args:
            starting: whether the digest begins a chain of its own.
            skip: a span without logging before the hour.
        """
        place = len(self.digests)
        self.start += skip
        since = self.start + place * HOUR
        end = since + HOUR
        step = HOUR / (self.logs_an_hour + 1)
        keys = [
            self.put_log(since + step * (n + 1), f"{place:04d}x{n:011d}")
            for n in range(self.logs_an_hour)
        ]
        previous = None if starting or not self.digests else self.digests[-1]
        key = self.digest_key(end)
        self.put_digest(key, since, end, keys, previous)
        self.digests.append(key)
        self.logs.append(keys)
        return key

    def put_digest(
        self,
        key: str,
        since: dt.datetime,
        end: dt.datetime,
        logs: list[str],
        previous: str | None,
        **changes: Any,
    ) -> None:
        """Write and sign a digest file."""
        before = self.objects[previous] if previous else None
        content = {
            "awsAccountId": self.account,
            "digestStartTime": text(since),
            "digestEndTime": text(end),
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": hashlib.md5(der(self.signer)).hexdigest(),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": text(end),
            "oldestEventTime": text(since),
            "previousDigestS3Bucket": self.bucket if before else None,
            "previousDigestS3Object": previous,
            "previousDigestHashValue": (
                hashlib.sha256(gzip.decompress(before.data)).hexdigest() if before else None
            ),
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": before.metadata["signature"] if before else None,
            "logFiles": [
                {
                    "s3Bucket": self.bucket,
                    "s3Object": log,
                    "hashValue": hashlib.sha256(
                        gzip.decompress(self.objects[log].data)
                    ).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": text(end),
                    "oldestEventTime": text(since),
                }
                for log in logs
            ],
        } | changes
        data = json.dumps(content).encode()
        metadata = {
            "signature": self.sign(content, data),
            "signature-algorithm": "SHA256withRSA",
        }
        if "_backfill" in key:
            metadata["backfill-generation-timestamp"] = f"{end:%Y-%m-%dT%H:%M:%S}.000Z"
        self.objects[key] = Object(gzip.compress(data, mtime=0), metadata)

    def sign(self, content: dict[str, Any], data: bytes) -> str:
        previous = content["previousDigestSignature"]
        signed = "\n".join(
            (
                content["digestEndTime"],
                f"{content['digestS3Bucket']}/{content['digestS3Object']}",
                hashlib.sha256(data).hexdigest(),
                "null" if previous is None else previous,
            )
        )
        key = private_key(self.signer)
        return key.sign(signed.encode(), padding.PKCS1v15(), SHA256()).hex()

    def add_backfill(self, hour: int, unique: str = "late000000000000") -> str:
        """Add a log file that the ordinary digest of an hour missed, and the backfill digest."""
        since = self.start + hour * HOUR
        log = self.put_log(since + HOUR / 2, unique)
        key = self.digest_key(since + HOUR, backfill=True)
        self.put_digest(key, since, since + HOUR, [log], None)
        return key

    def arn(self) -> str:
        return f"arn:aws:cloudtrail:{self.home_region}:{self.account}:trail/{self.trail}"

    def write(self, folder: Path, *, keys: bool = True) -> Path:
        """Write the bucket as a copy: metadata beside each digest, keys at the root."""
        for key, found in self.objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found.data)
            if found.metadata:
                beside = path.with_name(path.name + ".metadata.json")
                beside.write_text(json.dumps(found.metadata))
        if keys:
            (folder / "public-keys.json").write_bytes(public_keys({self.region: self.signer}))
        return folder

    def upload(self, s3: Any) -> None:
        """Put everything into the bucket of a local server."""
        for key, found in self.objects.items():
            s3.put_object(Bucket=self.bucket, Key=key, Body=found.data, Metadata=found.metadata)


def key_entry(name: str, since: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    """One entry of ListPublicKeys."""
    return {
        "Value": base64.b64encode(der(name)).decode(),
        "Fingerprint": hashlib.md5(der(name)).hexdigest(),
        "ValidityStartTime": text(since),
        "ValidityEndTime": text(until),
    }


def public_keys(
    signers: dict[str, str],
    since: dt.datetime = START - 20 * 24 * HOUR,
    until: dt.datetime = START + 20 * 24 * HOUR,
) -> bytes:
    """A public-keys.json: the key of each region."""
    found = [{"Region": region} | key_entry(name, since, until) for region, name in signers.items()]
    return json.dumps({"PublicKeyList": found}).encode()


def list_public_keys(
    signers: dict[str, str], *, until: dt.datetime = START + 20 * 24 * HOUR
) -> Callable[[Request, Callable[[], Response]], Response | None]:
    """What answers cloudtrail:ListPublicKeys at the edge of the local server, which lacks it."""

    def answer(request: Request, _: Callable[[], Response]) -> Response | None:
        target = request.headers.get("X-Amz-Target", "")
        if not target.endswith("ListPublicKeys"):
            return None
        region = request.headers["Authorization"].split("/")[2]
        asked = json.loads(request.get_data() or b"{}")
        since = START - 20 * 24 * HOUR
        entries = []
        if region in signers and asked["StartTime"] <= until.timestamp():
            entry = key_entry(signers[region], since, until)
            entry["ValidityStartTime"] = since.timestamp()
            entry["ValidityEndTime"] = until.timestamp()
            entries.append(entry)
        return Response(
            json.dumps({"PublicKeyList": entries}), content_type="application/x-amz-json-1.1"
        )

    return answer
