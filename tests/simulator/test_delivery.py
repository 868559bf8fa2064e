from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ctanalytics.records import object_key
from ctanalytics.simulator.delivery import DeliveredFile, Delivery, pack
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rendering import Records

CELL = ("111122223333", "eu-west-1")


def _plan(minutes: int = 5) -> Plan:
    return Plan(
        seed=1,
        start=dt.date(2025, 10, 1),
        days=2,
        accounts=1,
        events_per_day=1_000,
        incidents=(),
        file_minutes=minutes,
    )


def _deliver(
    out: Path, times: np.ndarray, *, minutes: int = 5, file_bytes: int = 40_000_000
) -> list[DeliveredFile]:
    delivery = Delivery(_plan(minutes), 1, out, file_bytes=file_bytes)
    texts = [json.dumps({"id": place, "at": int(at)}) for place, at in enumerate(times)]
    delivery.add(Records(CELL, texts, [], times, None))
    return list(delivery.write())


def _lags(out: Path, files: list[DeliveredFile]) -> np.ndarray:
    lags = [
        file.stamp - record["at"]
        for file in files
        for record in json.loads(gzip.decompress((out / file.key).read_bytes()))["Records"]
        if "addendum" not in record
    ]
    return np.array(lags)


def test_lag_is_that_of_live_accounts(tmp_path: Path) -> None:
    times = np.sort(np.random.default_rng(0).integers(0, 86_400, 50_000)) + _plan().begin
    lags = _lags(tmp_path, _deliver(tmp_path, times))
    assert lags.min() > 0
    assert np.median(lags) == pytest.approx(196, abs=15)
    assert np.quantile(lags, 0.99) == pytest.approx(524, abs=30)
    assert np.quantile(lags, 0.9985) < 620  # beyond lie the second copies


def test_stamps_are_multiples_of_the_chosen_minutes(tmp_path: Path) -> None:
    times = np.arange(0, 86_400, 600) + _plan().begin
    files = _deliver(tmp_path, times, minutes=60)
    assert {file.stamp % 3_600 for file in files} == {0}
    assert len(files) <= 26
    assert sum(file.records for file in files) >= len(times)


def test_delayed_records_say_so_and_come_hours_late(tmp_path: Path) -> None:
    times = np.sort(np.random.default_rng(0).integers(0, 43_200, 60_000)) + _plan().begin
    late = []
    for file in _deliver(tmp_path, times):
        records = json.loads(gzip.decompress((tmp_path / file.key).read_bytes()))["Records"]
        late += [file.stamp - record["at"] for record in records if "addendum" in record]
    assert 0 < len(late) < 30
    assert min(late) > 3_600


def test_a_large_file_is_split_and_nothing_is_lost(tmp_path: Path) -> None:
    times = np.full(2_000, _plan().begin + 10)
    files = _deliver(tmp_path, times, file_bytes=5_000)
    assert max(file.content_bytes for file in files) < 5_200
    assert len({file.key for file in files}) == len(files) > 10
    ids = {
        record["id"]
        for file in files
        for record in json.loads(gzip.decompress((tmp_path / file.key).read_bytes()))["Records"]
    }
    assert ids == set(range(2_000))


def test_files_are_written_once_all_their_records_are_there(tmp_path: Path) -> None:
    delivery = Delivery(_plan(), 1, tmp_path)
    begin = _plan().begin
    keys: list[str] = []
    seen = 0
    for part in range(6):
        times = np.arange(part * 1_000, (part + 1) * 1_000) + begin
        texts = [json.dumps({"at": int(at)}) for at in times]
        delivery.add(Records(CELL, texts, [], times, None))
        until = None if part == 5 else int(times[-1])
        for file in delivery.write(until):
            keys.append(file.key)
            seen += file.records
    assert len(keys) == len(set(keys))
    assert len({object_key.parse(key).stamp for key in keys}) == len(keys)
    assert seen >= 6_000


def test_packed_bytes_are_one_gzip_member_without_a_time(tmp_path: Path) -> None:
    packed = pack(b"x" * 1_000)
    assert packed[4:8] == b"\0\0\0\0"
    assert gzip.decompress(packed) == b"x" * 1_000
    assert pack(b"x" * 1_000) == packed
