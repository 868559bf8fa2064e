"""What the local AWS server says of the accounts, read once for all tests of a run.

Workers of a parallel run share it through a file: whoever comes first reads, the others wait.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.posture.reading import Reader
from ctanalytics.posture.snapshot import Read, Snapshot
from ctanalytics.settings import Aws
from tests.aws_server import aws_server
from tests.posture import account, bad_account
from tests.posture.proxy import Proxy, names_below_addresses

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))
"""Answers of APIs that the server does not hold, by check: one with which it passes, one not."""

UNHELD = {
    "cloudtrail:ListEventDataStores": {"EventDataStores": []},
    "cloudwatch:ListAlarmMuteRules": {"AlarmMuteRuleSummaries": []},
}
"""APIs that the server has not at all: without an answer it would fail, and be asked again."""


@dataclass(frozen=True)
class Readings:
    """Snapshots of the accounts, and what came of each read when its API was denied."""

    good: Snapshot
    bad: Snapshot
    other: Snapshot
    denied: dict[str, list[Read]]


def read_once(folder: Path) -> Readings:
    """Read the accounts, or take what another worker has read."""
    done = folder / "denied.json"
    try:
        (folder / "lock").touch(exist_ok=False)
    except FileExistsError:
        while not done.exists():
            assert not (folder / "failed").exists(), "another worker failed to read the accounts"
            time.sleep(0.1)
    else:
        try:
            _read(folder)
        except BaseException:
            (folder / "failed").touch()
            raise
    denied = Snapshot.load(done)
    by_api: dict[str, list[Read]] = {}
    for read in denied.reads.values():
        by_api.setdefault(read.ask.api, []).append(read)
    found = (Snapshot.load(folder / f"{name}.json") for name in ("good", "bad", "other"))
    return Readings(*found, by_api)


def _read(folder: Path) -> None:
    patch = pytest.MonkeyPatch()
    with names_below_addresses(patch):
        with aws_server(patch) as server:
            account.build(server)
            proxy = Proxy(answers=dict(UNHELD))
            server.disturb.append(proxy)
            good = account.snapshot()
            denied = _denied(good, proxy)
        for name, build, expected in (
            ("bad", bad_account.build_bad, bad_account.EXPECTED),
            ("other", bad_account.build_other, bad_account.EXPECTED),
        ):
            with aws_server(patch) as server:
                build(server)
                server.disturb.append(Proxy(answers=dict(UNHELD)))
                account.snapshot(expected).save(folder / f"{name}.json")
    patch.undo()
    good.save(folder / "good.json")
    good.with_reads(denied).save(folder / "denied.json")


def _denied(good: Snapshot, proxy: Proxy) -> list[Read]:
    """Make every read again, each while its own API, and no other, is denied."""
    found: list[Read] = []
    with ThreadPoolExecutor(4) as pool:
        reader = Reader(Aws(), pool)
        for api in sorted({read.ask.api for read in good.reads.values()}):
            proxy.denied = {api}
            found += reader.read_all(
                [read.ask for read in good.reads.values() if read.ask.api == api]
            )
    proxy.denied = set()
    return found
