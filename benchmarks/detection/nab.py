"""The Numenta Anomaly Benchmark's series and labels through its standard scoring.

python -m benchmarks.detection.nab DATA_FOLDER WINDOWS_JSON [--json]

DATA_FOLDER holds the CSV files (timestamp, value) under the names of WINDOWS_JSON, or all in one
folder; labels of files that are not there are ignored. One configuration serves all series. As the
benchmark does, the threshold is the best for all files together; the leave-one-out figure takes for
each file the threshold that is best for the others.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.detection.nab_scoring import Curve, Floats, Weighed, curve, normalised, weigh
from benchmarks.detection.value_novelty import novelty


def read(path: Path, windows: list[list[str]]) -> tuple[Floats, Weighed]:
    """Read a series: its values, and what alarms in it are worth."""
    rows = pl.read_csv(path, schema_overrides={"value": pl.Float64})
    moments: list[dt.datetime] = rows["timestamp"].str.to_datetime().to_list()
    places = {moment: place for place, moment in enumerate(moments)}
    spans = []
    for window in windows:
        first, last = (dt.datetime.fromisoformat(text) for text in window)
        if first not in places or last not in places:
            raise SystemExit(f"{path}: a window is labelled at {first}, where there is no point")
        spans.append((places[first], places[last]))
    return rows["value"].to_numpy(), weigh(len(rows), spans)


def found_files(data: Path, names: list[str]) -> dict[str, Path]:
    """The labelled files that are there."""
    candidates = {name: (data / name, data / Path(name).name) for name in names}
    return {
        name: next(path for path in paths if path.is_file())
        for name, paths in sorted(candidates.items())
        if any(path.is_file() for path in paths)
    }


def measure(data: Path, labels: dict[str, list[list[str]]]) -> dict[str, Any]:
    """Score all files that are there."""
    files = found_files(data, list(labels))
    if not files:
        raise SystemExit(f"none of the labelled files is in {data}")
    scored = {}
    for name, path in files.items():
        values, weighed = read(path, labels[name])
        scored[name] = (novelty(values), weighed)
    whole = curve(scored.values())
    threshold = whole.best()
    singles = {name: curve([pair]) for name, pair in scored.items()}
    return {
        "standard": round(normalised(whole.at(threshold), whole.windows), 2),
        "leave_one_out": round(_leave_one_out(scored, singles), 2),
        "threshold": threshold,
        "files": {
            name: {
                "raw": round(single.at(threshold), 4),
                "windows": single.windows,
                "standard": round(normalised(single.at(threshold), single.windows), 2)
                if single.windows
                else None,
            }
            for name, single in singles.items()
        },
    }


def _leave_one_out(scored: dict[str, tuple[Floats, Weighed]], singles: dict[str, Curve]) -> float:
    raw = 0.0
    for name, single in singles.items():
        others = [pair for other, pair in scored.items() if other != name]
        raw += single.at(curve(others).best()) if others else single.silent
    return normalised(raw, sum(single.windows for single in singles.values()))


def main() -> None:
    """Read the flags, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("windows", type=Path)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    found = measure(flags.data, json.loads(flags.windows.read_text("utf-8")))
    if flags.json:
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    print(f"standard score {found['standard']:.1f} over {len(found['files'])} files")
    print(f"leave-one-out  {found['leave_one_out']:.1f} (threshold from the other files)")
    for name, row in found["files"].items():
        print(f"  {name:58} {row['windows']} windows  raw {row['raw']:6.2f}")


if __name__ == "__main__":
    main()
