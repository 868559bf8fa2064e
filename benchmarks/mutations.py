"""Does any damage to a log file crash the decoder, stall it, or change the files beside it?

python benchmarks/mutations.py [FOLDER ...] [--mutations N] [--seed N]

Takes real files (tests/data and a share of sample_logs, or the folders given), packed and unpacked,
damages each at random places (a bit flipped, bytes cut, doubled, overwritten by others of the file
or by noise; from one byte to 4,000), and decodes it between two intact files. Every mutation must
end in rows or in set-aside records or files, every record must be counted, and the rows of the two
neighbours must be what they are without it. Prints what became of them, and the slowest.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import random
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.lake.columns import plain
from ctanalytics.lake.decode import Decoder
from ctanalytics.records import schema

ROOT = Path(__file__).parent.parent
LONGEST_SECONDS = 10.0


def mutated(source: bytes, rng: random.Random) -> bytes:
    """Damage some bytes."""
    data = bytearray(source)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(data) or 1)
        until = min(len(data), at + rng.choice((1, 4, 40, 400, 4_000)))
        match rng.randrange(6):
            case 0:
                if data:
                    data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:until]
            case 2:
                data[at:at] = data[at:until]
            case 3:
                other = rng.randrange(len(data) or 1)
                data[at:until] = data[other : other + until - at]
            case 4:
                data[at:until] = rng.randbytes(until - at)
            case 5:
                del data[at:]
    return bytes(data)


def sources(paths: list[Path]) -> list[bytes]:
    """The files to damage, and each that is packed once more without its gzip."""
    made = [path.read_bytes() for path in paths if 0 < path.stat().st_size < 2_000_000]
    unpacked = [gzip.decompress(data) for data in made if data.startswith(b"\x1f\x8b")]
    return made + [data for data in unpacked if data]


def rows(decoder: Decoder, names: list[str]) -> tuple[pa.Table, int]:
    """Rows of some objects in their order, and how many rows there are of others."""
    found = decoder.finish()
    events = plain(found.events).cast(schema.EVENTS)
    own = pc.is_in(events["source_object"], pa.array(names))
    order = [("source_object", "ascending"), ("source_row", "ascending")]
    others = events.num_rows - pc.sum(own).as_py() if events.num_rows else 0
    return events.filter(own).sort_by(order), (
        others + found.insights.num_rows + found.aggregated.num_rows
    )


def main() -> int:
    """Damage files until told to stop; 1 when one did harm."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--mutations", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    rng = random.Random(flags.seed)
    logs = sorted((ROOT / "sample_logs").rglob("*.json.gz"))
    folders = flags.folders or [ROOT / "tests" / "data"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    corpus = sources(paths if flags.folders else [*paths, *rng.sample(logs, 100)])
    beside = [path.read_bytes() for path in logs[:2]]
    intact = Decoder()
    for place, data in enumerate(beside):
        intact.add("b", str(place), data)
    expected, _ = rows(intact, ["b/0", "b/1"])
    states: collections.Counter[str] = collections.Counter()
    slowest, harm = 0.0, 0
    for number in range(flags.mutations):
        damaged = mutated(rng.choice(corpus), rng)
        started = time.perf_counter()
        decoder = Decoder(now=intact.now)
        decoder.add("b", "0", beside[0])
        outcome = decoder.add("b", "damaged", damaged)
        decoder.add("b", "1", beside[1])
        faults = sum(fault.record is not None for fault in decoder.faults)
        found, made = rows(decoder, ["b/0", "b/1"])
        slowest = max(slowest, time.perf_counter() - started)
        states[outcome.state] += 1
        if not found.equals(expected) or made + faults != outcome.records:
            harm += 1
            print(f"mutation {number}: a neighbour changed, or a record is lost", file=sys.stderr)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common())
    print(f"{flags.mutations} mutations of {len(corpus)} files: {told}")
    print(f"harmful: {harm}; slowest {slowest * 1000:.0f} ms (bar: {LONGEST_SECONDS:.0f} s)")
    return int(harm > 0 or slowest > LONGEST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
