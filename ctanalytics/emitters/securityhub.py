"""Alerts as findings in Security Hub, in the AWS Security Finding Format (ASFF)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics import untrusted
from ctanalytics.aws_errors import EMIT, aws_errors, throttled
from ctanalytics.emitters.base import Account, Alert, Outcome, Outside, Run, moment
from ctanalytics.emitters.document import fitting, pointer
from ctanalytics.emitters.refusal import refused_whole
from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws

MAX_FINDINGS: Final = 100  # of one BatchImportFindings
MAX_FINDING_BYTES: Final = 240_000
MAX_RESOURCES: Final = 32
_FIELD: Final = 2_048  # characters of a product field
_RESOURCES: Final = (
    (re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+"), "AwsIamRole"),
    (re.compile(r"arn:[\w-]+:iam::\d{12}:user/.+"), "AwsIamUser"),
)
_REGION = re.compile("[a-z]{2}(?:-[a-z]+)+-[0-9]")
_TYPE: Final = "Unusual Behaviors/User"
_TACTICS: Final = "TTPs/"


@dataclass(frozen=True, slots=True)
class SecurityHub:
    """Security Hub of the account whose credentials are used, in one region."""

    region: str
    aws: Aws

    @classmethod
    def open(cls, address: str, outside: Outside) -> SecurityHub:
        """Return the emitter; without an address the settings' region counts."""
        if address and not _REGION.fullmatch(address):
            raise UsageError(
                "this is no region",
                where=f"securityhub:{address}",
                mend="securityhub: or securityhub:REGION",
            )
        return cls(address, outside.aws)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"securityhub:{self.region}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        for start in range(0, len(alerts), MAX_FINDINGS):
            yield alerts[start : start + MAX_FINDINGS]

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        from botocore.exceptions import ClientError

        client = amazon.client("securityhub", self.aws, region=self.region or None)
        with aws_errors(self.target, EMIT):
            account = self._account()
            product = _product(client.meta.region_name, account)
            now = dt.datetime.now(dt.UTC)
            findings = [finding(alert, account, product, now) for alert in alerts]
            try:
                answer = client.batch_import_findings(Findings=findings)
            except ClientError as error:
                if error.response["Error"].get("Code") == "InvalidAccessException":
                    raise  # Security Hub is not on in this region
                return [refused_whole(error, alone=len(alerts) == 1)] * len(alerts)
        failed = {one.get("Id"): one for one in answer.get("FailedFindings", [])}
        return [_outcome(one["Id"], failed.get(one["Id"])) for one in findings]

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        calls = sum(1 for _ in self.batches(alerts))
        return f"would import {len(alerts)} findings in {calls} calls"

    def _account(self) -> str:
        """The account whose credentials are used: the default product takes no other."""
        sts = amazon.client("sts", self.aws, region=self.region or None)
        return sts.get_caller_identity()["Account"]


def _product(region: str, account: str) -> str:
    partition = amazon.partition_of(region)
    return f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default"


def finding(alert: Alert, account: str, product: str, now: dt.datetime) -> dict[str, Any]:
    """Return an alert as a finding of ASFF.

    A later import of the same id updates it: Security Hub asks for a later UpdatedAt. What logs
    took the reason of, and tests, are archived; what ended stays for a person to look at.
    """
    is_over = alert.state == "withdrawn" or alert.kind == "test"
    because = (alert.incident or {}).get("closed_because")
    types = [_TYPE, *(_TACTICS + name for name in _tactics(alert))]
    found: dict[str, Any] = {
        "SchemaVersion": "2018-10-08",
        "Id": f"ctanalytics/{alert.anomaly_id}"[:512],
        "ProductArn": product,
        "GeneratorId": f"ctanalytics/{'+'.join(alert.detectors)}"[:512],
        "AwsAccountId": account,
        "CreatedAt": _millis(alert.detected_at),
        "UpdatedAt": _millis(max(now, alert.detected_at)),
        "FirstObservedAt": _millis(alert.started_at),
        "LastObservedAt": _millis(alert.ended_at or alert.detected_at),
        "Title": _line(alert.title, 256),
        "Description": _within(untrusted.terminal(alert.explanation, limit=1_024), 1_024),
        "Resources": _resources(alert),
        "FindingProviderFields": {
            "Severity": {"Label": _label(alert.severity), "Original": f"{alert.score:.3f}"},
            "Types": types[:50],
        },
        "RecordState": "ARCHIVED" if is_over or because in ("withdrawn", "merged") else "ACTIVE",
        "ProductFields": _product_fields(alert),
    }
    action = _action(alert)
    if action:
        found["Action"] = action
    return found


def _line(value: object, limit: int) -> str:
    return _within(untrusted.one_line(value, limit=limit), limit)


def _within(shown: str, limit: int) -> str:
    """Cut what is shown of a log to a field of ASFF, which takes no blank text either.

    A finding that is refused is an alert that a name has silenced: escapes make texts longer.
    """
    cut = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    return cut if cut.strip() else "-"


def _millis(time: dt.datetime) -> str:
    return moment(time.astimezone(dt.UTC).replace(microsecond=time.microsecond // 1_000 * 1_000))


def _label(severity: str) -> str:
    return "INFORMATIONAL" if severity == "info" else severity.upper()


def _tactics(alert: Alert) -> list[str]:
    names = (alert.incident or {}).get("tactics") or ()
    return [name.replace("-", " ").replace("_", " ").title() for name in names]


def _resources(alert: Alert) -> list[dict[str, Any]]:
    """Who acted, and the accounts it happened in: Security Hub wants at least one of them."""
    arns = [alert.principal_arn] if alert.principal_arn else []
    arns += [arn for arn in (alert.incident or {}).get("principal_arns") or () if arn not in arns]
    arns = arns[: MAX_RESOURCES // 2]
    found = [{"Type": _resource_type(arn), "Id": _line(arn, 512)} for arn in arns]
    found += [_account_resource(account) for account in alert.accounts]
    return found[:MAX_RESOURCES] or [{"Type": "Other", "Id": "ctanalytics"}]


def _resource_type(arn: str) -> str:
    return next((kind for shape, kind in _RESOURCES if shape.fullmatch(arn)), "Other")


def _account_resource(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = {"Type": "AwsAccount", "Id": f"AWS::::Account:{account.account_id}"}
    known = {
        "Name": account.account_name,
        "OrganizationalUnit": account.ou_path or account.ou,
        "Environment": account.environment,
    }
    told = {name: _line(text, 256) for name, text in known.items() if text}
    return found | ({"Details": {"Other": told}} if told else {})


def _product_fields(alert: Alert) -> dict[str, str]:
    fields: Mapping[str, Any] = {
        "alert_id": alert.alert_id,
        "state": alert.state,
        "detector": ", ".join(alert.detectors),
        "kind": alert.kind,
        "score": f"{alert.score:.6f}",
        "account_id": alert.account_id,
        "aws_region": alert.aws_region,
        "api": ":".join(name for name in (alert.event_source, alert.event_name) if name),
        "error_code": alert.error_code,
        "events": alert.evidence.get("events"),
        "more": pointer(alert),
        "document": fitting(alert, _FIELD),
    }
    return {
        f"ctanalytics/{name}": _line(value, _FIELD)
        for name, value in fields.items()
        if value not in (None, "")
    }


def _action(alert: Alert) -> dict[str, Any] | None:
    if not (alert.event_source and alert.event_name):
        return None
    return {
        "ActionType": "AWS_API_CALL",
        "AwsApiCallAction": {
            "Api": _line(alert.event_name, 128),
            "ServiceName": _line(alert.event_source, 128),
            "FirstSeen": _millis(alert.started_at),
            "LastSeen": _millis(alert.ended_at or alert.detected_at),
        },
    }


def _outcome(identity: str, failed: Mapping[str, Any] | None) -> Outcome:
    if failed is None:
        return Outcome("sent", message_id=identity)
    code = str(failed.get("ErrorCode", ""))
    reason = untrusted.one_line(f"{code}: {failed.get('ErrorMessage') or 'no reason given'}")
    again = throttled(code) or code in ("LimitExceeded", "LimitExceededException", "Internal")
    return Outcome("retry" if again else "refused", reason)
