"""Run a command of ctanalytics as a Spark job; see docs/scale.md for EMR Serverless and Glue.

spark-submit pipelines/spark_job.py ingest s3://central-trail-logs --lake s3://analytics/lake

The session is the one that spark-submit has set up. Commands with heavy work spread it over the
cluster; any other runs on the driver.
"""

from __future__ import annotations

import os

from ctanalytics.cli.main import run

if __name__ == "__main__":
    os.environ.setdefault("CTANALYTICS_EXECUTION_EXECUTOR", "spark")
    run()
