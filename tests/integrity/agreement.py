"""Our verdicts beside those of `aws cloudtrail validate-logs`, on the same bucket.

Run by `make agreement`, which installs the AWS CLI into an environment of its own: its botocore is
not the one that boto3 wants. CTANALYTICS_TEST_AWS names another `aws` to compare with.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctanalytics.app.validate import ValidateResult, validate
from ctanalytics.integrity.verdict import Checked, line
from tests.aws_server import Server, aws_server, environment
from tests.integrity.trail import BUCKET, HOUR, REGION, START, Trail, list_public_keys

AWS = os.environ.get("CTANALYTICS_TEST_AWS", "build/awscli/bin/aws")
_LINE = re.compile(
    r"(?P<what>(?:\(backfill\) )?(?:Digest|Log) file)\ts3://(?P<key>\S+)\t(?P<said>.+)"
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.disturb.append(list_public_keys({REGION: "aws"}))
        yield running


def theirs(server: Server, trail: Trail, since: dt.datetime, until: dt.datetime) -> tuple[str, int]:
    """What the AWS CLI prints, and its exit code."""
    command = [str(Path(AWS).absolute()), "cloudtrail", "validate-logs", "--verbose"]
    command += ["--trail-arn", trail.arn(), "--s3-bucket", BUCKET, "--region", trail.region]
    command += ["--start-time", f"{since:%Y-%m-%dT%H:%M:%SZ}"]
    command += ["--end-time", f"{until:%Y-%m-%dT%H:%M:%SZ}"]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere", **environment(server.url)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr, done.returncode


def intact(trail: Trail) -> None:
    """Leave all as it is."""


def missing_log(trail: Trail) -> None:
    del trail.objects[trail.logs[2][0]]


def altered_log(trail: Trail) -> None:
    found = trail.objects[trail.logs[2][0]]
    found.data = gzip.compress(gzip.decompress(found.data).replace(b"List", b"Lost"))


def altered_digest(trail: Trail) -> None:
    found = trail.objects[trail.digests[2]]
    found.data = gzip.compress(
        gzip.decompress(found.data).replace(b"x00000000000", b"x99999999999")
    )


def missing_digest(trail: Trail) -> None:
    del trail.objects[trail.digests[2]]


def swapped_signature(trail: Trail) -> None:
    one, other = (trail.objects[trail.digests[place]] for place in (1, 3))
    one.metadata, other.metadata = other.metadata, one.metadata


def wrong_key(trail: Trail) -> None:
    trail.signer = "attacker"
    since = START + 5 * HOUR
    trail.put_digest(trail.digests[5], since, since + HOUR, trail.logs[5], trail.digests[4])


def backfill(trail: Trail) -> None:
    trail.add_backfill(2)


def gap(trail: Trail) -> None:
    trail.add_hour(starting=True, skip=3 * HOUR)


def moved_digest(trail: Trail) -> None:
    key = trail.digests[3]
    trail.objects[key.replace("T100000Z", "T101000Z")] = trail.objects.pop(key)


def moved_log(trail: Trail) -> None:
    key = trail.logs[3][0]
    trail.objects[key.replace("/02/", "/02/away/")] = trail.objects.pop(key)


def trailing_log(trail: Trail) -> None:
    trail.objects[trail.logs[2][0]].data += gzip.compress(b"forged")


CASES = [intact, missing_log, altered_log, altered_digest, missing_digest, swapped_signature]
CASES += [wrong_key, backfill, gap, moved_digest, moved_log, trailing_log]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_verdicts_are_those_of_the_aws_cli(
    case: Callable[[Trail], None], server: Server
) -> None:
    trail = Trail()
    case(trail)
    trail.upload(server.bucket(BUCKET))
    until = trail.end
    said, code = theirs(server, trail, START, until)
    rows: list[Checked] = []
    result = validate(
        f"s3://{BUCKET}",
        trail_arn=trail.arn(),
        since=START,
        until=until,
        now=until,
        report=rows.append,
    )
    their_files = {(match["what"], match["key"]): match["said"] for match in _LINE.finditer(said)}
    our_files = {
        (match["what"], match["key"]): match["said"].partition("\t")[0]
        for match in _LINE.finditer("\n".join(line(row) for row in rows))
    }
    assert their_files, said
    # Log files that no trusted digest lists are ours alone to name.
    known = {key: verdict for key, verdict in our_files.items() if key in their_files}
    assert {key: _is_valid(text) for key, text in known.items()} == {
        key: _is_valid(text) for key, text in their_files.items()
    }
    same = {"not found", "hash value doesn't match", "signature verification failed"}
    for key, text in their_files.items():
        if text.removeprefix("INVALID: ") in same and our_files[key] != text:
            # Where its successor tells that the content is another, ours says that.
            assert case in (altered_digest, moved_log), (key, text, our_files[key])
    assert _gaps(said) == _gaps("\n".join(line(row) for row in rows))
    assert (code != 0) == any(row.is_finding for row in rows if _key(row) in their_files)
    assert result.whole == (case in (intact, backfill))


def _key(row: Checked) -> tuple[str, str]:
    kind = "Digest file" if row.kind == "digest" else "Log file"
    return ("(backfill) " if row.backfill and row.kind == "digest" else "") + kind, (
        f"{row.bucket}/{row.key}"
    )


def _is_valid(said: str) -> bool:
    return not said.startswith("INVALID")


def _gaps(said: str) -> list[str]:
    found = re.findall(r"No log files were delivered by CloudTrail between \S+ and \S+", said)
    return sorted(found)


def test_what_the_aws_cli_does_not_see_is_named_by_ours(server: Server) -> None:
    trail = Trail(hours=8)
    planted = trail.put_log(START + 1.4 * HOUR, "planted000000000")
    trail.objects[trail.digests[0]].data += gzip.compress(b"{}")
    for place in (3, 4):
        del trail.objects[trail.digests[place]]
    for place in (6, 7):
        del trail.objects[trail.digests[place]]
    trail.upload(server.bucket(BUCKET))
    said, _ = theirs(server, trail, START, trail.end)
    rows: list[Checked] = []
    result: ValidateResult = validate(
        f"s3://{BUCKET}",
        since=START,
        until=trail.end,
        now=trail.end + 6 * HOUR,
        report=rows.append,
    )
    assert planted not in said
    assert said.count("not found") == 1
    assert f"{trail.digests[0]}\tvalid" in said
    verdicts = {row.key: row.verdict for row in rows}
    assert verdicts[planted] == "unlisted"
    assert verdicts[trail.digests[0]] == "trailing data"
    assert [(gap.since, gap.until) for gap in result.gaps] == [
        (START + 3 * HOUR, START + 5 * HOUR),
        (START + 6 * HOUR, START + 8 * HOUR),
    ]
