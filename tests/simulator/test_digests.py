from __future__ import annotations

import base64
import collections
import gzip
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ctanalytics.app.simulate import SimulateResult, simulate
from ctanalytics.records import object_key
from ctanalytics.simulator.rsa import private_key
from tests.simulator import logs

Small = tuple[Path, SimulateResult]


def chains(out: Path) -> dict[tuple[str, str], list[tuple[str, bytes, dict[str, Any], str]]]:
    """Account and region -> (key, content, fields, signature) of each digest, oldest first."""
    found = collections.defaultdict(list)
    for path in logs.digest_files(out):
        key = path.relative_to(out).as_posix()
        parsed = object_key.parse(key)
        assert parsed.account_id and parsed.aws_region
        content = gzip.decompress(path.read_bytes())
        metadata = json.loads(Path(f"{path}.metadata.json").read_text())
        assert metadata["signature-algorithm"] == "SHA256withRSA"
        found[parsed.account_id, parsed.aws_region].append(
            (key, content, json.loads(content), metadata["signature"])
        )
    return found


def check_chains(out: Path) -> int:
    """Check every digest as the User Guide says; returns how many log files they vouch for."""
    keys: dict[str, RSAPublicKey] = {}
    for entry in json.loads((out / "public-keys.json").read_text())["PublicKeyList"]:
        der = base64.b64decode(entry["Value"])
        assert entry["Fingerprint"] == hashlib.md5(der).hexdigest()
        key = load_der_public_key(der)
        assert isinstance(key, RSAPublicKey)
        keys[entry["Fingerprint"]] = key
    vouched = 0
    for chain in chains(out).values():
        previous = None
        for key, content, fields, signature in chain:
            assert fields["digestS3Object"] == key
            text = "\n".join(
                (
                    fields["digestEndTime"],
                    f"{fields['digestS3Bucket']}/{key}",
                    hashlib.sha256(content).hexdigest(),
                    fields["previousDigestSignature"] or "null",
                )
            )
            keys[fields["digestPublicKeyFingerprint"]].verify(
                bytes.fromhex(signature), text.encode(), PKCS1v15(), SHA256()
            )
            if previous:
                assert fields["previousDigestS3Object"] == previous[0]
                assert fields["previousDigestHashValue"] == hashlib.sha256(previous[1]).hexdigest()
                assert fields["previousDigestSignature"] == previous[3]
                assert fields["digestStartTime"] == previous[2]["digestEndTime"]
            else:
                assert fields["previousDigestS3Object"] is None
                assert fields["previousDigestSignature"] is None
            for file in fields["logFiles"]:
                log = gzip.decompress((out / file["s3Object"]).read_bytes())
                assert file["hashValue"] == hashlib.sha256(log).hexdigest()
                times = [record["eventTime"] for record in json.loads(log)["Records"]]
                assert (file["oldestEventTime"], file["newestEventTime"]) == (
                    min(times),
                    max(times),
                )
                vouched += 1
            previous = (key, content, fields, signature)
    return vouched


def test_every_chain_holds(small: Small) -> None:
    assert check_chains(small[0]) > 100


def test_every_account_and_region_has_a_digest_each_hour_even_when_quiet(small: Small) -> None:
    found = chains(small[0])
    assert len(found) == 6
    for chain in found.values():
        ends = [object_key.parse(key).stamp for key, *_ in chain]
        gaps = {(b - a).total_seconds() for a, b in itertools.pairwise(ends) if a and b}
        assert gaps == {3_600}
        assert 24 <= len(chain) <= 48
    assert any(not fields["logFiles"] for chain in found.values() for _, _, fields, _ in chain)


def test_each_log_file_of_the_days_with_digests_is_listed_once(small: Small) -> None:
    out = small[0]
    listed = collections.Counter(
        file["s3Object"]
        for chain in chains(out).values()
        for _, _, fields, _ in chain
        for file in fields["logFiles"]
    )
    assert set(listed.values()) == {1}
    first = min(
        str(fields["digestStartTime"]) for c in chains(out).values() for _, _, fields, _ in c
    )
    keys = {path.relative_to(out).as_posix() for path in logs.log_files(out)}
    stamps = {key: object_key.parse(key).stamp for key in keys}
    due = {key for key, at in stamps.items() if at and f"{at:%Y-%m-%dT%H:%M:%SZ}" > first}
    assert due == set(listed)


def test_no_digests_no_keys(tmp_path: Path) -> None:
    out = tmp_path / "logs"
    result = simulate(out, days=1, events_per_day=300, digests="none", workers=1)
    assert result.digests == 0
    assert not logs.digest_files(out)
    assert not (out / "public-keys.json").exists()


def test_signing_keys_follow_from_the_seed_and_differ_by_region() -> None:
    one, same, other = (
        private_key(3, "eu-west-1"),
        private_key.__wrapped__(3, "eu-west-1"),
        private_key(3, "us-east-1"),
    )
    assert one.key_size == 2_048
    assert one.private_numbers() == same.private_numbers()
    assert one.private_numbers() != other.private_numbers()
