"""How fast `simulate` writes log files, beside building each record as a dict for json.dumps.

python benchmarks/simulate.py [RECORDS_PER_DAY]

Both sides write the same number of records of the same shapes to gzip files in one process. The
peer does per record what a straightforward generator does: copy a prototype, draw its ids and time,
json.dumps. It uses the same gzip and writes no hashes, sessions, lags or labels. Median of five runs, in seconds
of CPU time, so that what else the machine does counts for neither.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from isal import igzip

from ctanalytics.app.simulate import simulate

RUNS = 5
RECORDS_PER_FILE = 350
PROTOTYPES = 2_000


def ours(out: Path, per_day: int) -> tuple[int, float]:
    """Records written and seconds taken by one day of simulate in one process."""
    started = time.process_time()
    result = simulate(out, days=1, accounts=3, events_per_day=per_day, digests="none", workers=1)
    return result.records, time.process_time() - started


def prototypes(out: Path) -> list[dict[str, object]]:
    """Some of the records that simulate wrote."""
    found: list[dict[str, object]] = []
    for path in sorted(out.rglob("*.json.gz")):
        found += json.loads(gzip.decompress(path.read_bytes()))["Records"]
        if len(found) >= 10 * PROTOTYPES:
            break
    return random.Random(1).sample(found, PROTOTYPES)


def peer(out: Path, records: int, shapes: list[dict[str, object]]) -> float:
    """Seconds taken by the peer for as many records."""
    rng = random.Random(2)
    begin = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
    started = time.process_time()
    for first in range(0, records, RECORDS_PER_FILE):
        texts = []
        for _ in range(min(RECORDS_PER_FILE, records - first)):
            record = dict(rng.choice(shapes))
            at = begin + dt.timedelta(seconds=rng.randrange(86_400))
            record["eventTime"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            record["eventID"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            record["requestID"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            texts.append(json.dumps(record, separators=(",", ":")))
        content = ('{"Records":[' + ",".join(texts) + "]}").encode()
        (out / f"{first}.json.gz").write_bytes(igzip.compress(content, 2, mtime=0))
    return time.process_time() - started


def main(per_day: int) -> None:
    """Run both sides in turn and print their rates and the ratio."""
    rates: dict[str, list[float]] = {"simulate": [], "json.dumps of dicts": []}
    records = 0
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            logs, other = Path(folder) / "logs", Path(folder) / "other"
            other.mkdir()
            records, seconds = ours(logs, per_day)
            rates["simulate"].append(records / seconds)
            shapes = prototypes(logs)
            rates["json.dumps of dicts"].append(records / peer(other, records, shapes))
    for name, found in rates.items():
        print(f"{name:22} {statistics.median(found):>10,.0f} records/s   ({records:,} records)")
    ratio = statistics.median(rates["simulate"]) / statistics.median(rates["json.dumps of dicts"])
    print(f"{'ratio':22} {ratio:>10.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
