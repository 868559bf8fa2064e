"""What hiding values costs an ingest: CPU per event of the step alone, beside the typed parse.

python benchmarks/redact.py [--rounds N]

The records are those of sample_logs, joined to files of 500; about 5 % are AssumeRole and hold a
session token. Process time of one core, the least of the rounds: what else the machine does can
only add.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ctanalytics.lake.event_rows import EventRows
from ctanalytics.lake.redact import Redactor, rules
from ctanalytics.lake.redact_records import RecordRedactor
from ctanalytics.lake.treatment import Treatment
from ctanalytics.settings import Redact

SAMPLE = Path(__file__).parents[1] / "sample_logs"
RECORDS = 20_000
PER_FILE = 500
HASHED = ["sourceIPAddress", "userIdentity.userName", "userIdentity.arn"]

_records_of = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode


def contents() -> list[bytes]:
    """Log files as they are when unpacked."""
    found: list[bytes] = []
    for path in sorted(SAMPLE.rglob("*_CloudTrail_*.json.gz")):
        found += map(bytes, _records_of(gzip.decompress(path.read_bytes()))["Records"])
        if len(found) >= RECORDS:
            break
    return [
        b'{"Records":[' + b",".join(found[start : start + PER_FILE]) + b"]}"
        for start in range(0, RECORDS, PER_FILE)
    ]


def treatment(mask: list[str], hashed: list[str]) -> Treatment:
    """A treatment that hides some paths."""
    return Treatment(RecordRedactor(Redactor(rules(mask, hashed), b"a key of a benchmark")))


def least(step: Callable[[bytes], float], files: list[bytes], rounds: int) -> float:
    """Microseconds per event of a step that returns its own seconds."""
    return min(sum(map(step, files)) for _ in range(rounds)) / RECORDS * 1e6


def main(arguments: list[str]) -> None:
    """Measure, and print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(arguments).rounds
    files, rows = contents(), EventRows()

    def parse(content: bytes) -> float:
        start = time.process_time()
        rows.parse(content)
        return time.process_time() - start

    def hiding(how: Treatment) -> Callable[[bytes], float]:
        def hide(content: bytes) -> float:
            records: list[Any] = rows.parse(content) or []
            start = time.process_time()
            how.hide(content, records)
            return time.process_time() - start

        return hide

    ways = {
        "typed parse": parse,
        "mask of the default": hiding(treatment(Redact().mask, [])),
        "mask that finds nothing": hiding(treatment(["responseElements.credentials.none"], [])),
        f"hash of {', '.join(HASHED)}": hiding(treatment([], HASHED)),
    }
    for name, step in ways.items():
        sys.stdout.write(f"{least(step, files, rounds):6.2f} us per event  {name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
