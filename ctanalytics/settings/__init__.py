"""Settings: flags first, then CTANALYTICS_* variables, then ctanalytics.toml, then these defaults.

`[ingest] workers = 2` in the file is CTANALYTICS_INGEST_WORKERS in the environment and
`ingest.workers` in the messages. Every default stands here once, with its unit.
"""

from __future__ import annotations

from ctanalytics.settings.loading import ENV_PREFIX, FILE_NAME, load
from ctanalytics.settings.sections import (
    STS_CREDENTIALS,
    Accounts,
    Allow,
    Audit,
    Aws,
    Calendar,
    Care,
    Detect,
    Drop,
    Emit,
    Execution,
    Geoip,
    Incidents,
    Ingest,
    LakeAws,
    Nightly,
    Query,
    Redact,
    Report,
    Route,
    RuleException,
    Rules,
    Settings,
    SourceAws,
    Struct,
    TargetOptions,
    Watch,
)

__all__ = [
    "ENV_PREFIX",
    "FILE_NAME",
    "STS_CREDENTIALS",
    "Accounts",
    "Allow",
    "Audit",
    "Aws",
    "Calendar",
    "Care",
    "Detect",
    "Drop",
    "Emit",
    "Execution",
    "Geoip",
    "Incidents",
    "Ingest",
    "LakeAws",
    "Nightly",
    "Query",
    "Redact",
    "Report",
    "Route",
    "RuleException",
    "Rules",
    "Settings",
    "SourceAws",
    "Struct",
    "TargetOptions",
    "Watch",
    "load",
]
