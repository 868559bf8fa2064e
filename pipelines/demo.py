"""The demo: sample_logs into a new lake, a few questions, the anomalies, a report to open.

python pipelines/demo.py build/demo
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import ctanalytics
from ctanalytics import Settings
from ctanalytics.cli import console

SAMPLE = Path(__file__).parent.parent / "sample_logs"

QUESTIONS = {
    "Who made the most calls?": """
        select principal_arn, principal_type, calls, errors
        from users
        order by calls desc
        limit 5
    """,
    "Which calls failed most?": """
        select account_id, event_name, error_code, calls
        from errors
        order by calls desc
        limit 5
    """,
    "Did anyone touch the trail itself?": """
        select event_time, event_name, principal_arn, source_ip_address
        from events
        where event_source = 'cloudtrail.amazonaws.com'
          and not read_only
        order by event_time
        limit 10
    """,
}


def main(folder: Path) -> None:
    """Run every step, telling what it found."""
    started = time.monotonic()
    lake = str(folder / "lake")
    if (folder / "lake" / "lake.json").exists():  # of the last demo; nothing else is removed
        shutil.rmtree(lake)
    result = ctanalytics.ingest([str(SAMPLE)], lake)
    console.out(
        f"ingested {result.records_written:,} events of {result.objects_ingested:,} files "
        f"in {result.seconds:.1f} s ({result.records_duplicate} duplicates left out)\n"
    )
    for question, sql in QUESTIONS.items():
        table = ctanalytics.query(sql, lake)
        console.table(
            table.column_names, [list(row.values()) for row in table.to_pylist()], title=question
        )
    opened = ctanalytics.Lake.open(lake)
    settings = Settings()
    found = ctanalytics.detect(opened, settings=settings)
    for row in found.anomalies.to_pylist():
        console.out(f"{row['severity'].upper():8} {row['title']}\n         {row['explanation']}")
    for note in found.notes:
        console.note(note)
    made = ctanalytics.build_incidents(opened, settings=settings)
    page = ctanalytics.report(opened, settings=settings, output=folder)
    console.out(
        f"\n{found.anomalies.num_rows} anomalies, which are {made.opened} incidents; "
        f"the report is {page.html}"
    )
    command = f"{os.path.relpath(Path(sys.executable).parent)}/ctanalytics"
    console.out(f"what belongs together: {command} incidents list --lake {lake}")
    console.out(
        f'ask more: {command} query "select principal, calls, errors, last_seen from users limit 5" --lake {lake}'
    )
    console.out(f"look around in a browser: {command} serve --lake {lake} --open")
    console.note(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default="build/demo")
    main(parser.parse_args().folder)
