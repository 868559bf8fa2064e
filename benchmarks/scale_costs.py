"""Reckons what 1, 10 and 50 billion events a day need, from the constants of scale_costs.toml.

python benchmarks/scale_costs.py [FILE]

Prints the table of docs/scale.md. Nothing is measured here: the file says which constants were, and
which are assumptions or prices. Copy it, change it, and give the copy.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".toml")
GB = 1e9


def rows(given: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The table's rows: a name, and a value for each volume."""
    columns = [
        _volume(given, events, per_object)
        for events, per_object in zip(
            given["volumes"]["events"], given["volumes"]["events_per_object"], strict=True
        )
    ]
    return [(name, [column[name] for column in columns]) for name in columns[0]]


def _volume(given: dict[str, Any], events: int, per_object: int) -> dict[str, str]:
    price, measured, assumed = given["prices"], given["measured"], given["assumed"]
    objects = events / per_object
    read = events * measured["compressed_bytes_per_event"]
    cpu_us = (measured["ingest_cpu_us"] + measured["compact_cpu_us"]) * measured["spark_factor"]
    core_hours = events * cpu_us / 1e6 / 3_600
    vcpu_hours = core_hours * assumed["vcpus_per_core"]
    parts, plans = read / assumed["part_bytes"], read / assumed["plan_bytes"]
    # Each part stages events and ledger rows; a plan claims, concludes and commits to eight tables.
    puts = 2 * parts + 14 * plans
    gets = objects + 2 * parts
    stored = events * measured["lake_bytes_per_event"]
    files = stored / assumed["file_bytes"]
    kept = files * assumed["kept_days"]
    compute = vcpu_hours * (
        price["vcpu_hour"] + price["memory_gb_per_vcpu"] * price["memory_gb_hour"]
    )
    requests = gets * price["get"] + puts * price["put"] + objects * price["kms"]
    announced = 3 * objects * price["queue"]
    return {
        "files a day": f"{objects / 1e6:,.0f} M",
        "compressed logs a day": f"{read / 1e12:,.2f} TB",
        "core-hours a day: ingest and compaction": f"{core_hours:,.0f}",
        "vCPUs, if they work all day": f"{vcpu_hours / 24:,.1f}",
        "S3 GET a day": f"{gets / 1e6:,.1f} M",
        "S3 PUT a day": f"{puts / 1e6:,.2f} M",
        "compute a day": f"${compute:,.0f}",
        "S3 and SQS requests a day": f"${requests + announced:,.2f}",
        "lake, of a day": f"{stored / GB:,.0f} GB",
        "storage a month, of a year kept": (
            f"${stored * assumed['kept_days'] / GB * price['storage_gb_month']:,.0f}"
        ),
        "files of `events`, of a year kept": f"{kept / 1e3:,.0f} k",
        "driver: a table's log of a year": f"{kept * measured['table_file_bytes'] / GB:,.1f} GB",
        "driver: ledger, a pass every 5 minutes": _ledger(given, objects, assumed["hot_days"]),
        "driver: ledger, the daily sweep": _ledger(given, objects, assumed["sweep_days"]),
        "events/s of a day": f"{events / 86_400:,.0f}",
        "events/s that one date's merges take, at most": (
            f"{1e6 * measured['merge_shares'] / measured['merge_cpu_us']:,.0f}"
        ),
    }


def _ledger(given: dict[str, Any], objects: float, days: int) -> str:
    return f"{objects * days * given['measured']['ledger_bytes'] / GB:,.1f} GB"


def table(given: dict[str, Any]) -> str:
    """The table in Markdown."""
    heads = [f"{events / 1e9:,.0f} billion" for events in given["volumes"]["events"]]
    lines = ["| events a day | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows(given)]
    return "\n".join(lines)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    print(table(tomllib.loads(place.read_text("utf-8"))))
