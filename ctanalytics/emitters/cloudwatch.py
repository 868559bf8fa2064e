"""Counts of anomalies as CloudWatch metrics, which alarms and dashboards read.

Every distinct set of dimensions is a metric that AWS bills, so that only severity and detector
are dimensions. All counts add up: the Sum of a metric is right however many calls carried it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics.aws_errors import EMIT, aws_errors, explain
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run
from ctanalytics.emitters.message import ascii_line
from ctanalytics.errors import UsageError
from ctanalytics.findings import SEVERITIES
from ctanalytics.settings import Aws

MAX_DATUMS: Final = 1_000  # of one PutMetricData
MAX_BYTES: Final = 1_000_000  # of one request; AWS allows 1 MB before compression
_VALUE_CHARACTERS: Final = 255  # of a dimension; AWS allows 1,024
_NAMESPACE = re.compile(r"[A-Za-z0-9._/#:-]{1,255}")

Dimensions = tuple[tuple[str, str], ...]
Datum = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """A namespace of metrics."""

    namespace: str
    aws: Aws

    @classmethod
    def open(cls, address: str, outside: Outside) -> CloudWatch:
        """Return the emitter of a namespace."""
        if not _NAMESPACE.fullmatch(address) or address.startswith((":", "AWS/")):
            raise UsageError(
                "this can't be a namespace of metrics",
                where=f"cloudwatch:{address}",
                mend="1-255 letters, digits and . - _ / # :, not beginning with AWS/ or a colon",
            )
        return cls(address, outside.aws)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"cloudwatch:{self.namespace}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        batch: list[Alert] = []
        sizes: dict[Dimensions, int] = {}
        for alert in sorted(alerts, key=lambda one: (one.detector, one.severity, one.key)):
            new = {sizes_of: _size(sizes_of) for sizes_of in _dimension_sets(alert)}
            merged = sizes | new
            if batch and (len(merged) > MAX_DATUMS or sum(merged.values()) > MAX_BYTES):
                yield batch
                batch, merged = [], new
            batch.append(alert)
            sizes = merged
        if batch:
            yield batch

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        # An update tells of an anomaly that was counted when it was new.
        counts = Counter(
            dimensions
            for alert in alerts
            if not alert.is_update
            for dimensions in _dimension_sets(alert)
        )
        if counts:
            busy = self._put([_datum("Anomalies", n, sets) for sets, n in sorted(counts.items())])
            if busy is not None:
                return [busy] * len(alerts)
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """Report that the run ended, how old the lake is, and zeros, so that alarms have data."""
        zeros: list[Dimensions] = [(), *((("Severity", severity),) for severity in SEVERITIES)]
        datums = [_datum("Anomalies", 0, dimensions) for dimensions in zeros]
        datums.append(_datum("RunSucceeded", 1, ()))
        if run.lake_lag_minutes is not None:
            datums.append(_datum("LakeLagMinutes", run.lake_lag_minutes, (), unit="None"))
        for attempt in range(1, amazon.ATTEMPTS):
            if self._put(datums) is None:
                return
            amazon.pause(attempt)
        with aws_errors(self.target, EMIT):
            self._request(datums)

    def preview(self, alerts: Sequence[Alert]) -> str:
        """See `Emitter`."""
        sets = {dimensions for alert in alerts for dimensions in _dimension_sets(alert)}
        sets |= {(), *((("Severity", severity),) for severity in SEVERITIES)}
        return f"would write {len(sets) + 2} metrics (each distinct one is billed)"

    def _put(self, datums: list[Datum]) -> Outcome | None:
        """Send metrics; returns None when they are in, else that the service is busy."""
        from botocore.exceptions import ClientError

        with aws_errors(self.target, EMIT):
            try:
                self._request(datums)
            except ClientError as error:
                found = explain(error)
                if found.kind != "throttled":
                    raise
                return Outcome("retry", found.what)
        return None

    def _request(self, datums: list[Datum]) -> None:
        # Stamped now, not when it happened: CloudWatch shows old times up to 48 h late.
        now = dt.datetime.now(dt.UTC)
        stamped: Any = [datum | {"Timestamp": now} for datum in datums]
        amazon.client("cloudwatch", self.aws).put_metric_data(
            Namespace=self.namespace, MetricData=stamped
        )


def _dimension_sets(alert: Alert) -> tuple[Dimensions, Dimensions, Dimensions]:
    severity = ("Severity", ascii_line(alert.severity, _VALUE_CHARACTERS))
    detector = ("Detector", ascii_line(alert.detector, _VALUE_CHARACTERS).strip() or "unnamed")
    return (), (severity,), (detector, severity)


def _datum(name: str, value: float, dimensions: Dimensions, *, unit: str = "Count") -> Datum:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions],
        "Value": float(value),
        "Unit": unit,
    }


def _size(dimensions: Dimensions) -> int:
    """Bytes of a datum in a request, at most: a character may take three when it is escaped."""
    return 400 + sum(100 + 3 * len(text) for _, text in dimensions)
