"""Counts of anomalies and incidents as CloudWatch metrics, which alarms and dashboards read.

Every distinct set of dimensions is a metric that AWS bills, so that only severity and detector
are dimensions, and account and region where the settings say so. All counts add up: the Sum of a
metric is right however many calls carried it.
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
from ctanalytics.emitters.terms import options_of
from ctanalytics.errors import UsageError
from ctanalytics.findings import SEVERITIES
from ctanalytics.settings import Aws

MAX_DATUMS: Final = 1_000  # of one PutMetricData
MAX_BYTES: Final = 1_000_000  # of one request; AWS allows 1 MB before compression
MAX_ACCOUNTS: Final = 500  # of one incident, so that any alert fits into a request
_VALUE_CHARACTERS: Final = 255  # of a dimension; AWS allows 1,024
_NAMESPACE = re.compile(r"[A-Za-z0-9._/#:-]{1,255}")

Dimensions = tuple[tuple[str, str], ...]
Metric = tuple[str, Dimensions]
"""A metric's name and dimensions."""
Datum = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """A namespace of metrics."""

    namespace: str
    aws: Aws
    by_account: bool = False
    by_region: bool = False

    @classmethod
    def open(cls, address: str, outside: Outside) -> CloudWatch:
        """Return the emitter of a namespace."""
        if not _NAMESPACE.fullmatch(address) or address.startswith((":", "AWS/")):
            raise UsageError(
                "this can't be a namespace of metrics",
                where=f"cloudwatch:{address}",
                mend="1-255 letters, digits and . - _ / # :, not beginning with AWS/ or a colon",
            )
        own = options_of(outside.options, ("cloudwatch", f"cloudwatch:{address}"))
        return cls(
            address,
            outside.aws,
            by_account="account" in own.dimensions,
            by_region="region" in own.dimensions,
        )

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"cloudwatch:{self.namespace}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        batch: list[Alert] = []
        metrics: set[Metric] = set()
        size = 0
        for alert in sorted(alerts, key=lambda one: (one.detector, one.severity, one.key)):
            new = set(self._metrics(alert)) - metrics
            more = sum(map(_size, new))
            if batch and (len(metrics) + len(new) > MAX_DATUMS or size + more > MAX_BYTES):
                yield batch
                batch, metrics, size = [], set(), 0
                new = set(self._metrics(alert))
                more = sum(map(_size, new))
            batch.append(alert)
            metrics |= new
            size += more
        if batch:
            yield batch

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        # An update tells of an anomaly that was counted when it was new.
        counts = Counter(
            metric for alert in alerts if not alert.is_update for metric in self._metrics(alert)
        )
        if counts:
            busy = self._put([_datum(*metric, n) for metric, n in sorted(counts.items())])
            if busy is not None:
                return [busy] * len(alerts)
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """Report that the run ended, how old the lake is, and zeros, so that alarms have data."""
        datums = [_datum(*metric, 0) for metric in _zeros(run)]
        datums.append(_datum("RunSucceeded", (), int(run.went_well)))
        if run.lake_lag_minutes is not None:
            datums.append(_datum("LakeLagMinutes", (), run.lake_lag_minutes, unit="None"))
        for attempt in range(1, amazon.ATTEMPTS):
            if self._put(datums) is None:
                return
            amazon.pause(attempt)
        with aws_errors(self.target, EMIT):
            self._request(datums)

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        metrics = {metric for alert in alerts for metric in self._metrics(alert)}
        metrics |= {*_zeros(run), ("RunSucceeded", ()), ("LakeLagMinutes", ())}
        return f"would write {len(metrics)} metrics (each distinct one is billed)"

    def _metrics(self, alert: Alert) -> list[Metric]:
        """The metrics that an alert adds one to."""
        if alert.stands_for:
            return [metric for one in alert.stands_for for metric in self._metrics(one)]
        if alert.kind == "test":
            return [("TestMessages", ())]
        severity = ("Severity", _value(alert.severity))
        found: list[Dimensions] = [(), (severity,)]
        if alert.incident is None:
            found.append((("Detector", _value(alert.detector)), severity))
        if self.by_account:
            found += [
                (("AccountId", _value(one.account_id)), severity)
                for one in alert.accounts[:MAX_ACCOUNTS]
            ]
        if self.by_region and alert.aws_region:
            found.append((("Region", _value(alert.aws_region)), severity))
        name = "Anomalies" if alert.incident is None else "Incidents"
        return [(name, dimensions) for dimensions in found]

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


def _zeros(run: Run) -> list[Metric]:
    """What a quiet run says of."""
    sets: list[Dimensions] = [(), *((("Severity", severity),) for severity in SEVERITIES)]
    names = ("Anomalies", "Incidents") if run.has_incidents else ("Anomalies",)
    return [(name, dimensions) for name in names for dimensions in sets]


def _value(text: str) -> str:
    return ascii_line(text, _VALUE_CHARACTERS).strip() or "unnamed"


def _datum(name: str, dimensions: Dimensions, value: float, *, unit: str = "Count") -> Datum:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions],
        "Value": float(value),
        "Unit": unit,
    }


def _size(metric: Metric) -> int:
    """Bytes of a datum in a request, at most: a character may take three when it is escaped."""
    return 400 + sum(100 + 3 * len(text) for _, text in metric[1])
