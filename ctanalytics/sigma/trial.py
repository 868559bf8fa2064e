"""Records in, a small lake in memory out, for trying rules on single events."""

from __future__ import annotations

from collections.abc import Iterable

from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.decode import Decoder, Limits
from ctanalytics.lake.layout import TABLES


def engine_over(contents: Iterable[bytes]) -> Engine:
    """Return a session whose `events` are the records of log files, in any shape ingest takes.

    Args:
        contents: the files' bytes, plain or gzip.
    """
    decoder = Decoder(Limits())
    for number, content in enumerate(contents):
        bucket, _, key = trial_name(number).partition("/")
        decoder.add(bucket, key, content)
    decoded = decoder.finish()
    engine = Engine({name: TableFiles(spec.schema) for name, spec in TABLES.items()}, threads=1)
    engine.register("sigma_trial", decoded.events)
    engine.execute("insert into lake.events by name select * from sigma_trial")
    engine.unregister("sigma_trial")
    return engine


def trial_name(number: int) -> str:
    """Return what `source_object` says of the records of the file at a place."""
    return f"trial/{number}.json"
