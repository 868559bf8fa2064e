"""Records as text: one template for each caller, API and region, filled in column by column.

A record is built once as an object, written as JSON, and cut at its ${name} holes. What is the
same for all calls is filled in then; the rest becomes a `%s`, so that a record costs one string
formatting. With sessions, hashing, gzip and files that makes 53,000 to 63,000 records a second of
CPU time; copying a dict for each record and json.dumps alone make 32,000 (`benchmarks/simulate.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ctanalytics.simulator.actors import Actor
from ctanalytics.simulator.catalogue import Api
from ctanalytics.simulator.organization import BUCKET, TRAIL, Organization

_NUMBERS = re.compile(r'"(\$\{(?:int:[\d-]+|time_ms|epoch)\})"')
_HOLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A record's text with `%s` for each of the holes, in their order in the text."""

    text: str
    holes: tuple[str, ...]


def build(
    organization: Organization, actor: Actor, api: Api, region: str, fault: str = ""
) -> Template:
    """Make the template of an actor's calls of an API in a region.

    Args:
        fault: empty for success, else as `Api.fault` names it.
    """
    text = msgspec.json.encode(_record(actor, api, region, fault)).decode()
    text = text.replace('"${identity}"', actor.identity).replace("${caller}", actor.caller_arn)
    text = _NUMBERS.sub(r"\1", text)
    known = _constants(organization, actor, region)
    text = _HOLE.sub(lambda hole: known.get(hole[1], hole[0]), text)
    holes = tuple(_HOLE.findall(text))
    return Template(_HOLE.sub("%s", text.replace("%", "%%")), holes)


def _constants(organization: Organization, actor: Actor, region: str) -> dict[str, str]:
    partition = organization.partition
    return {
        "account": actor.account_id,
        "region": region,
        "partition": partition.name,
        "dns": partition.dns,
        "console": partition.console,
        "trail": TRAIL,
        "trail_arn": organization.trail_arn(actor.account_id),
        "trail_bucket": BUCKET,
    }


def _record(actor: Actor, api: Api, region: str, fault: str) -> dict[str, Any]:
    # In the order in which CloudTrail writes the fields.
    fields = api.fields
    service_event = api.event_type == "AwsServiceEvent"
    record: dict[str, Any] = {
        "eventVersion": api.event_version,
        "userIdentity": "${identity}",
        "eventTime": "${time}",
        "eventSource": api.event_source,
        "eventName": api.name,
        "awsRegion": region,
        "sourceIPAddress": "${ip}",
        "userAgent": "${ua}",
    }
    if fault:
        met = api.fault(fault)
        if met.code:
            record["errorCode"] = met.code
        record["errorMessage"] = met.message
    record |= {
        "requestParameters": fields.get("request"),
        "responseElements": fields.get("response") if not fault else _answer_to(fault),
    }
    if "additional" in fields:
        record["additionalEventData"] = fields["additional"]
    if not service_event and not fields.get("no_request_id"):
        record["requestID"] = "${HEX16r}" if api.request_id == "HEX16" else "${uuid_r}"
    record |= {"eventID": "${event_id}", "readOnly": api.read_only}
    if "resources" in fields:
        record["resources"] = fields["resources"]
    record["eventType"] = api.event_type
    if "version" in fields:
        record["apiVersion"] = fields["version"]
    record |= {"managementEvent": not api.data_event, "recipientAccountId": actor.account_id}
    if "service_details" in fields:
        record["serviceEventDetails"] = fields["service_details"]
    record |= actor.extra
    record["eventCategory"] = "Data" if api.data_event else "Management"
    if not actor.is_service and not service_event:
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": api.host,
        }
    if actor.console and api.event_type == "AwsApiCall":
        record["sessionCredentialFromConsole"] = "true"
    return record


def _answer_to(fault: str) -> dict[str, str] | None:
    return {"ConsoleLogin": "Failure"} if fault == "failed" else None
