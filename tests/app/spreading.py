"""A lake in which every detector that spreads its work finds something, and how it is compared."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from ctanalytics.engines.executor import Part, Result
from ctanalytics.lake import derived
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import DERIVED
from ctanalytics.settings import Geoip, Rules
from tests import lakes, mmdb
from tests.detectors.organization import DAYS, START, background, calls, minute

DAY = dt.timedelta(days=1)
END = START + dt.timedelta(days=DAYS)
DETECTORS = ("call_rate", "isolation_forest", "novelty", "sigma")
"""By these every function runs that works for a detector elsewhere."""
_ROLE = "arn:aws:iam::111122223333:role/worker-{:02d}"
_LAST = DAYS - 1
_RULES = """
title: Secret read
name: secret_read
logsource: {product: aws, service: cloudtrail}
detection: {call: {eventSource: secretsmanager.amazonaws.com}, condition: call}
---
title: Job looked at
name: job_looked_at
logsource: {product: aws, service: cloudtrail}
detection: {call: {eventName: DescribeJobs}, condition: call}
---
title: Secrets by whoever looks at jobs
correlation:
  type: temporal
  rules: [secret_read, job_looked_at]
  group-by: [principal_arn]
  timespan: 60d
"""


def events() -> list[pa.Table]:
    """Calls of a month and of twelve roles; on its last day a burst, refusals, a role that reads
    what it never read, and a user in two places."""
    random = np.random.default_rng(5)
    tables = background(series=6)
    for number in range(12):
        who = {"principal_arn": _ROLE.format(number), "principal_type": "role"}
        days = [minute(day, 9) + random.integers(0, 400, 6) for day in range(DAYS)]
        spots = np.unique(np.concatenate(days))
        tables.append(calls(spots, f"Work{number:02d}", **who))
        tables.append(calls(spots + 1, "DescribeJobs", read_only=True, **who))
    burst = minute(_LAST, 11) + np.arange(90) // 10
    tables.append(calls(burst, "Call000"))
    refused = {"error_code": "AccessDenied", "is_error": True}
    known = minute(3, 12) + np.arange(0, 30) * 1_440
    tables.append(calls(known[known < minute(_LAST)], "Call001", **refused))
    tables.append(calls(minute(_LAST, 13) + np.arange(200) // 5, "Call001", **refused))
    odd = {"principal_arn": _ROLE.format(3), "principal_type": "role"}
    for number in range(40):
        secret = {"event_source": "secretsmanager.amazonaws.com", "read_only": True}
        spots = minute(_LAST, 3) + np.arange(8)
        tables.append(calls(spots, f"Get{number:02d}", aws_region="sa-east-1", **secret, **odd))
    eve = {"principal_arn": "arn:aws:iam::111122223333:user/eve", "read_only": True}
    tables.append(calls([minute(day, 23, 50) for day in range(DAYS - 1)], "ListTables", **eve))
    # Before and after midnight.
    away = minute(_LAST, 0, 15)
    tables.append(calls([away], "GetItem", source_ip_address="192.0.2.7", **eve))
    return tables


def places(folder: Path) -> Geoip:
    """Files that tell where the addresses of these events are."""

    def record(city: str, latitude: float, longitude: float) -> dict[str, Any]:
        location = {"latitude": latitude, "longitude": longitude, "accuracy_radius": 50}
        return {"city": {"names": {"en": city}}, "location": location}

    known = {
        "203.0.113.0/24": record("Berlin", 52.5, 13.4),
        "192.0.2.0/24": record("Sydney", -33.9, 151.2),
    }
    return Geoip(city=str(mmdb.write(folder / "city.mmdb", known)))


def rules(folder: Path) -> Rules:
    """Settings by which rules look at all of these events."""
    (folder / "rules.yml").write_text(_RULES, "utf-8")
    return Rules(packaged=False, directories=[str(folder)])


def filled(place: Path) -> Lake:
    """A lake with these events, a file a date."""
    lake = lakes.empty(place)
    lake.append("events", pa.concat_tables(events()))
    return lake


def state(lake: Lake) -> dict[str, Any]:
    """The rows of each file of derived state, by table and what its name tells."""
    found: dict[str, Any] = {}
    for table in DERIVED:
        for file in lake.files(table):
            own = file.removeprefix(lake.store.location() + "/")
            rows = derived.read(lake.store, table, own).to_pylist()
            found[own.rpartition("-")[0]] = rows
    return found


def uncommitted(lake: Lake) -> list[str]:
    """Files of derived tables that no commit has."""
    known = {
        file.removeprefix(lake.store.location() + "/") for t in DERIVED for file in lake.files(t)
    }
    there = {
        path
        for t in DERIVED
        for path in lake.store.list(f"tables/{t}/")
        if path.endswith(".parquet") and "/_delta_log/" not in path
    }
    return sorted(there - known)


class AsJson:
    """An executor that keeps nothing but JSON, and works on the last part first."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        for part in reversed(list(parts)):
            self.parts.append(part)
            yield json.loads(json.dumps(function(json.loads(json.dumps(part)))))


class FreshProcess:
    """An executor that gives every part, as JSON, to one process that knows nothing else."""

    code = """
import importlib, json, sys
for line in sys.stdin:
    module, name, part = json.loads(line)
    print(json.dumps(getattr(importlib.import_module(module), name)(part)), flush=True)
"""

    def __init__(self) -> None:
        self.ran: set[str] = set()
        self.longest = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """Yield results, the last part's first."""
        name = function.__name__
        assert getattr(importlib.import_module(function.__module__), name) is function
        to, back = self._process.stdin, self._process.stdout
        assert to and back
        for part in reversed(list(parts)):
            self.ran.add(name)
            sent = json.dumps([function.__module__, name, part])
            to.write(sent + "\n")
            to.flush()
            answer = back.readline()
            self.longest = max(self.longest, len(sent), len(answer))
            yield json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()
