"""Ask AWS CloudTrail logs what happened, who did it, and whether it is normal.

The names here are the public ones; each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctanalytics._version import __version__

if TYPE_CHECKING:
    from ctanalytics.app.audit import AuditResult, audit
    from ctanalytics.app.audit_accounts import audit_organization
    from ctanalytics.app.backtest import BacktestResult, backtest
    from ctanalytics.app.bundle.create import BundleResult, bundle
    from ctanalytics.app.bundle.verify import VerifyResult, verify
    from ctanalytics.app.connect import ConnectResult, connect
    from ctanalytics.app.detect import DetectResult, detect
    from ctanalytics.app.emit import EmitResult, emit, send_test
    from ctanalytics.app.explain import ExplainResult, explain
    from ctanalytics.app.forget import ForgetResult, forget
    from ctanalytics.app.health import HealthResult, health
    from ctanalytics.app.hunt import HuntResult, hunt
    from ctanalytics.app.incidents.build import IncidentsResult, build_incidents
    from ctanalytics.app.ingest import IngestResult, ingest
    from ctanalytics.app.investigate import InvestigateResult, investigate
    from ctanalytics.app.mark import MarkResult, mark
    from ctanalytics.app.nightly.run import NightlyResult, nightly
    from ctanalytics.app.policy import PolicyResult, build_policy
    from ctanalytics.app.query import query
    from ctanalytics.app.report import ReportResult, report
    from ctanalytics.app.show import ShowResult, show
    from ctanalytics.app.simulate import SimulateResult, simulate
    from ctanalytics.app.timeline import TimelineResult, timeline
    from ctanalytics.app.validate import ValidateResult, validate
    from ctanalytics.app.watch import WatchRound, watch
    from ctanalytics.errors import CtanalyticsError
    from ctanalytics.lake.decode import Decoded, decode
    from ctanalytics.lake.lake import Lake
    from ctanalytics.settings import Settings

_HOMES = {
    "AuditResult": "app.audit",
    "BacktestResult": "app.backtest",
    "BundleResult": "app.bundle.create",
    "ConnectResult": "app.connect",
    "CtanalyticsError": "errors",
    "Decoded": "lake.decode",
    "DetectResult": "app.detect",
    "EmitResult": "app.emit",
    "ExplainResult": "app.explain",
    "ForgetResult": "app.forget",
    "HealthResult": "app.health",
    "HuntResult": "app.hunt",
    "IncidentsResult": "app.incidents.build",
    "IngestResult": "app.ingest",
    "InvestigateResult": "app.investigate",
    "Lake": "lake.lake",
    "MarkResult": "app.mark",
    "NightlyResult": "app.nightly.run",
    "PolicyResult": "app.policy",
    "ReportResult": "app.report",
    "Settings": "settings",
    "ShowResult": "app.show",
    "SimulateResult": "app.simulate",
    "TimelineResult": "app.timeline",
    "ValidateResult": "app.validate",
    "VerifyResult": "app.bundle.verify",
    "WatchRound": "app.watch",
    "backtest": "app.backtest",
    "build_incidents": "app.incidents.build",
    "build_policy": "app.policy",
    "audit": "app.audit",
    "audit_organization": "app.audit_accounts",
    "bundle": "app.bundle.create",
    "connect": "app.connect",
    "decode": "lake.decode",
    "detect": "app.detect",
    "emit": "app.emit",
    "explain": "app.explain",
    "forget": "app.forget",
    "health": "app.health",
    "hunt": "app.hunt",
    "ingest": "app.ingest",
    "investigate": "app.investigate",
    "mark": "app.mark",
    "nightly": "app.nightly.run",
    "query": "app.query",
    "report": "app.report",
    "send_test": "app.emit",
    "show": "app.show",
    "simulate": "app.simulate",
    "timeline": "app.timeline",
    "validate": "app.validate",
    "verify": "app.bundle.verify",
    "watch": "app.watch",
}

__all__ = [
    "AuditResult",
    "BacktestResult",
    "BundleResult",
    "ConnectResult",
    "CtanalyticsError",
    "Decoded",
    "DetectResult",
    "EmitResult",
    "ExplainResult",
    "ForgetResult",
    "HealthResult",
    "HuntResult",
    "IncidentsResult",
    "IngestResult",
    "InvestigateResult",
    "Lake",
    "MarkResult",
    "NightlyResult",
    "PolicyResult",
    "ReportResult",
    "Settings",
    "ShowResult",
    "SimulateResult",
    "TimelineResult",
    "ValidateResult",
    "VerifyResult",
    "WatchRound",
    "__version__",
    "audit",
    "audit_organization",
    "backtest",
    "build_incidents",
    "build_policy",
    "bundle",
    "connect",
    "decode",
    "detect",
    "emit",
    "explain",
    "forget",
    "health",
    "hunt",
    "ingest",
    "investigate",
    "mark",
    "nightly",
    "query",
    "report",
    "send_test",
    "show",
    "simulate",
    "timeline",
    "validate",
    "verify",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
