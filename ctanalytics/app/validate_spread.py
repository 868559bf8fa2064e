"""Validate on an executor: accounts and regions are parts, their rows come back in order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ctanalytics.engines.executor import Executor
from ctanalytics.errors import UsageError
from ctanalytics.integrity.cell import Job
from ctanalytics.integrity.cell_part import asked_keys, cell_part, part_of, rows_of
from ctanalytics.integrity.keys import AwsKeys
from ctanalytics.integrity.trails import Cell
from ctanalytics.integrity.verdict import Checked
from ctanalytics.lake.staging import SCRATCH
from ctanalytics.settings import SourceAws

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake


def rows(
    job: Job,
    found: Sequence[Cell],
    executor: Executor,
    *,
    source: str,
    aws: SourceAws,
    workers: int,
    lake: Lake | None,
) -> Iterator[Checked]:
    """Yield the rows of all cells in the order of the cells, each validated by a worker.

    Args:
        workers: files that a part reads at a time.
        lake: takes rows that are too many for a result, until they are told.

    Raises:
        UsageError: there is a journal, which is a file of this machine; or no lake to take rows.
    """
    if job.journal is not None:
        raise UsageError(
            "a file of what was checked can be kept by the local executor alone",
            where="--resume",
            mend="leave --resume out, or --executor",
        )
    staged: dict[str, Any] = {}
    if lake is not None:
        staged = {"store": lake.store.spec(), "folder": f"{SCRATCH}{uuid.uuid4().hex[:12]}/"}
    order = {_name(msgspec.to_builtins(cell)): place for place, cell in enumerate(found)}
    parts = (
        part_of(job, cell, source=source, aws=aws, workers=workers, staged=staged) for cell in found
    )
    ready: dict[int, Any] = {}
    told = 0
    try:
        for result in executor.map(cell_part, parts):
            if isinstance(job.keys, AwsKeys):
                job.keys.remember(asked_keys([result]))
            ready[order[_name(result["cell"])]] = result
            while told in ready:
                yield from rows_of(ready.pop(told), lake.store if lake else None)
                told += 1
    finally:
        if lake is not None:
            lake.store.delete_tree(staged["folder"])


def _name(cell: dict[str, Any]) -> tuple[str, str]:
    return cell["home"]["path"], cell["aws_region"]
