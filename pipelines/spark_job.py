"""Run a command of ctanalytics as a Spark job; see docs/scale.md for EMR, EMR on EKS and Glue.

spark-submit pipelines/spark_job.py ingest s3://central-trail-logs --lake s3://analytics/lake

The session is the one that spark-submit has set up. Commands with heavy work spread it over the
cluster; any other runs on the driver. Glue gives a job named arguments only, and adds its own: there
the command is one text, `--command "ingest s3://central-trail-logs --lake s3://analytics/lake"`.
"""

from __future__ import annotations

import os
import shlex
import sys

from ctanalytics.cli.main import run

COMMAND = "--command"


def words(given: list[str]) -> list[str]:
    """Return the command's words: those given, or of a job with named arguments its one text."""
    if COMMAND in given[:-1]:
        return shlex.split(given[given.index(COMMAND) + 1])
    return given


if __name__ == "__main__":
    os.environ.setdefault("CTANALYTICS_EXECUTION_EXECUTOR", "spark")
    sys.argv[1:] = words(sys.argv[1:])
    run()
