"""What a person reads: bars and ratios first, then the table, the steps and the machine."""

from __future__ import annotations

import os
import statistics
from typing import Any

from ingest_suite import figures
from ingest_suite.bars import Bar
from ingest_suite.measuring import Run


def show(found: dict[str, Any], bars: list[Bar]) -> None:
    """Print the report."""
    words = {True: "pass", False: "MISS", None: "-"}
    for bar in bars:
        print(f"{words[bar.met]:5}{bar.what:62} {bar.bar:26} {bar.figure}")
    _table(found)
    _formulations(found)
    _steps(found)
    _scaling(found)
    machine = found["machine"]
    print(
        f"\n{machine['processor']}, {machine['cores']} cores; load average "
        f"{machine['load_average_before'][0]:.1f} before, {os.getloadavg()[0]:.1f} after; "
        f"Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    )
    for text in found["left_out"]:
        print(f"left out: {text}")


def lines(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A summary of each side, corpus and number of cores."""
    runs = [Run(**run) for run in found.get("runs", [])]
    memory = [Run(**run) for run in found.get("memory_runs", [])]
    keys = list(dict.fromkeys((run.corpus, run.workers, run.side) for run in runs))
    return [
        figures.summary(
            figures.of(runs, side, corpus, workers), figures.of(memory, side, corpus, workers)
        )
        for corpus, workers, side in sorted(keys, key=lambda key: (key[0], key[1]))
    ]


def _table(found: dict[str, Any]) -> None:
    if not found.get("runs"):
        return
    print(
        f"\n{'corpus':12}{'cores':>5}  {'side':14}{'events/s':>10}{'us/event':>10}{'range':>14}"
        f"{'us of CPU':>11}{'peak MB':>9}{'private':>9}{'bytes/event':>13}"
    )
    for line in lines(found):
        spread = f"{line['micros_lowest']:.1f}-{line['micros_highest']:.1f}"
        peaks = [line[name] / 1e6 for name in ("peak_bytes", "peak_private_bytes")]
        print(
            f"{line['corpus']:12}{line['workers']:>5}  {line['side']:14}"
            f"{line['events_per_second']:>10,.0f}{line['micros_per_event']:>10.1f}{spread:>14}"
            f"{line['cpu_micros_per_event']:>11.1f}"
            + "".join(f"{peak:>9,.0f}" if peak else f"{'-':>9}" for peak in peaks)
            + f"{line['bytes_per_event']:>13,.0f}"
        )
    for name, corpus in found["corpora"].items():
        print(
            f"{name}: {corpus['records']:,} events in {corpus['files']:,} files, "
            f"{corpus['content_bytes'] / corpus['records']:,.0f} bytes an event, gzip "
            f"{corpus['content_bytes'] / corpus['file_bytes']:.1f} : 1"
        )


def _formulations(found: dict[str, Any]) -> None:
    runs = [Run(**run) for run in found.get("formulations", [])]
    if not runs:
        return
    print("\nformulations in DuckDB: us/event, us of CPU (medians)")
    for name in dict.fromkeys(run.side for run in runs):
        for workers in sorted({run.workers for run in runs}):
            some = figures.of(runs, name, "typical", workers)
            print(
                f"  {name:20} on {workers}: {statistics.median(map(figures.micros, some)):6.1f} "
                f"{statistics.median(map(figures.cpu_micros, some)):6.1f}"
            )


def _steps(found: dict[str, Any]) -> None:
    if not found.get("steps"):
        return
    print("\nus of CPU for an event, one process            and the same step at its least")
    floors = dict(found["floors"])
    for name, value in sorted(found["steps"].items(), key=lambda item: -item[1]):
        floor = floors.pop({"merge: write": "write"}.get(name, name), None)
        print(f"  {name:22}{value:8.2f}" + (f"{floor:30.2f}" if floor else ""))
    for name, value in floors.items():
        print(f"  {'':22}{'':8}{value:30.2f}  {name}")
    least = found["floors"]
    floor = sum(least[name] for name in ("inflate", "hash", "parse", "write"))
    whole = sum(found["steps"].values())
    print(
        f"  {'in all':22}{whole:8.2f}{floor:30.2f}  inflate, hash, parse, write: "
        f"{whole / floor:.1f} x the floor"
    )
    if found["steps_absent"]:
        print("  not found, so counted elsewhere: " + ", ".join(found["steps_absent"]))


def _scaling(found: dict[str, Any]) -> None:
    runs = [Run(**run) for run in found.get("scaling", [])]
    if not runs:
        return
    print(
        f"\n{'events':>12}{'events/s':>10}{'us of CPU':>11}{'peak MB':>9}{'bytes/event':>13}{'files':>8}"
    )
    for size in sorted({run.rows for run in runs}):
        some = [run for run in runs if run.rows == size]
        median = statistics.median
        print(
            f"{size:>12,}{1e6 / median(map(figures.micros, some)):>10,.0f}"
            f"{median(map(figures.cpu_micros, some)):>11.1f}"
            f"{max(run.peak_bytes for run in some) / 1e6:>9,.0f}"
            f"{median(run.out_bytes / run.rows for run in some):>13,.0f}"
            f"{some[0].facts['parquet_files']:>8,}"
        )
