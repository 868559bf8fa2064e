"""Whom or what an investigation is about, as a condition over `events`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, UsageError
from ctanalytics.sigma.addresses import in_network
from ctanalytics.untrusted import sql_text

Kind = Literal["key", "principal", "ip", "event", "resource"]

_ACCESS_KEY: Final = re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{8,124}")
_SESSION_ARN: Final = re.compile(r"arn:[a-z-]+:sts::[0-9]*:(?:assumed-role|federated-user)/.+")
_ARN: Final = re.compile(r"arn:(?P<partition>[a-z-]+):(?P<service>[a-z0-9-]*):(?P<region>[a-z0-9-]*):(?P<account>[0-9]*):(?P<rest>.+)")  # fmt: skip
_NAME_KINDS: Final = {
    ("iam", "user"): "userName",
    ("iam", "role"): "roleName",
    ("iam", "group"): "groupName",
    ("iam", "policy"): "policyName",
    ("iam", "instance-profile"): "instanceProfileName",
    ("lambda", "function"): "functionName",
    ("dynamodb", "table"): "tableName",
    ("kms", "key"): "keyId",
    ("kms", "alias"): "aliasName",
    ("cloudtrail", "trail"): "trailName",
    ("cloudformation", "stack"): "stackName",
    ("logs", "log-group"): "logGroupName",
    ("cloudwatch", "alarm"): "alarmName",
    ("events", "rule"): "ruleName",
    ("ecr", "repository"): "repositoryName",
    ("secretsmanager", "secret"): "secretId",
    ("rds", "db"): "dBInstanceIdentifier",
    ("rds", "cluster"): "dBClusterIdentifier",
    ("sns", ""): "topicName",
    ("sqs", ""): "queueName",
}
"""What requests call a resource that they name without its ARN; ids need no such entry."""
_ID: Final = re.compile(r"[a-z]{1,12}-[0-9a-f]{8,17}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


_MOST_ADDRESSES: Final = 2_000
"""Addresses of a network that are listed, so that scans skip what has none of them; above, each
event's is parsed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject, ready to be asked for."""

    kind: Kind
    value: str
    """As the user gave it."""
    said: str
    """In words: "the access key AKIA…"."""
    condition: str
    """SQL over `events` that is true of the subject's own calls."""
    owns_sessions: bool = True
    """Whether all that is done with the credentials of its calls is its own."""
    prefilter: str | None = None
    """A cheaper condition that is true at least wherever `condition` is."""
    shown: str | None = None
    """The condition as people may copy it, where that is another one."""
    notes: tuple[str, ...] = ()
    event_time: dt.datetime | None = None
    """Of an event: when it was."""


def of_key(text: str) -> Subject:
    """Return the subject that an access key id, or the id of an Identity Center token, stands for."""
    text = text.strip()
    if not text:
        raise _unclear(
            "the key is empty", "--key", "give an access key id, as AKIAIOSFODNN7EXAMPLE"
        )
    column = "access_key_id" if _ACCESS_KEY.fullmatch(text) else "credential_id"
    said = "the access key" if column == "access_key_id" else "the credential"
    return Subject("key", text, f"{said} {text}", f"{column} = {_quoted(text)}")


def of_principal(text: str) -> Subject:
    """Return the subject that an ARN stands for, of a user, a role or one session of a role.

    Where no ARN is given it is what `actor` holds: a user id, a source identity, a service.
    """
    text = text.strip()
    if not text:
        raise _unclear("the principal is empty", "--principal", "give the ARN of a user or a role")
    if _SESSION_ARN.fullmatch(text):
        return Subject("principal", text, f"the session {text}", f"identity_arn = {_quoted(text)}")
    column = "principal_arn" if text.startswith("arn:") else "actor"
    return Subject("principal", text, f"the principal {text}", f"{column} = {_quoted(text)}")


def of_ip(text: str, engine: Engine, since: dt.datetime, until: dt.datetime) -> Subject:
    """Return the subject that an address or a network stands for; its addresses are looked up."""
    network = network_of(text)
    shown = in_network("source_ip_address", str(network))
    found = engine.run("investigate/public_addresses", since=since, until=until)
    engine.register("investigation_addresses", found)
    rows = engine.sql(
        f"select source_ip_address from investigation_addresses where {shown} order by 1"
    )
    engine.unregister("investigation_addresses")
    addresses = rows["source_ip_address"].to_pylist()
    condition = f"source_ip_address in ({', '.join(map(_quoted, addresses)) or 'null'})"
    if len(addresses) > _MOST_ADDRESSES:
        condition = shown
    single = network.num_addresses == 1
    said = f"the address {network.network_address}" if single else f"the network {network}"
    return Subject(
        "ip",
        text,
        said,
        condition,
        owns_sessions=False,
        shown=shown,
    )


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Read an address or a network; bits beyond its length are forgiven."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise _unclear(
            f"{text!r} is no address or network", "--ip", "write 203.0.113.9 or 203.0.113.0/24"
        ) from None


def of_event(text: str, engine: Engine, where: str) -> Subject:
    """Return the subject that an event stands for: its credential, else its identity, else it alone.

    Raises:
        CtanalyticsError: there is no such event, or its time can't be believed.
    """
    text = text.strip()
    places = engine.run("investigate/event", event_id=text).to_pylist()
    if not places:
        raise CtanalyticsError(
            f"there is no event {text}",
            where=where,
            mend="check the id; `ctanalytics lake info` shows how far the lake reaches",
        )
    # Of the copies in several accounts, the caller's knows the credential.
    event = min(places, key=lambda row: (row["session_id"] is None, row["identity_arn"] is None))
    if event["event_time"] is None:
        raise CtanalyticsError(
            "the event bears no time that can be believed",
            where=text,
            mend="name its key with --key, or its caller with --principal",
        )
    said = f"the event {text} ({event['event_name']})"
    if event["session_id"]:
        made = of_key(event["session_id"])
        condition = (
            made.condition
            if event["access_key_id"]
            else f"credential_id = {_quoted(event['session_id'])}"
        )
        note = (
            f"It was called with {event['session_id']}: all calls with this credential are shown."
        )
    elif event["identity_arn"]:
        condition = f"identity_arn = {_quoted(event['identity_arn'])}"
        note = "It bears no credential: all calls of its identity are shown."
    else:
        condition = f"event_id = {_quoted(text)}"
        note = "It names neither a credential nor an identity: it is shown alone."
    return Subject("event", text, said, condition, notes=(note,), event_time=event["event_time"])


def of_resource(text: str) -> Subject:
    """Return the subject that a resource's ARN, id or name stands for: the calls that name it."""
    text = text.strip()
    if len(text) < 3:
        raise _unclear(f"{text!r} names no resource", "--resource", "give an ARN, an id or a name")
    parts = [f"resource = {_quoted(text)}"]
    names = [text]
    found = _ARN.fullmatch(text)
    if found:
        alias, condition = _alias(found)
        if alias:
            names.append(alias)
            parts.append(condition)
    listed = " or ".join(
        f"contains({column}, {_quoted(names[-1])})"
        for column in ("request_parameters", "response_elements")
    )
    return Subject(
        "resource",
        text,
        f"the resource {text}",
        "(account_id, event_id) in (select account_id, event_id from resource_events "
        f"where {' or '.join(parts)})",
        owns_sessions=False,
        prefilter=f"({listed} or list_contains(resource_arns, {_quoted(text)}))",
    )


def _alias(arn: re.Match[str]) -> tuple[str | None, str]:
    """The name or id that requests give a resource by, and the condition that it is this one."""
    kind, _, name = arn["rest"].rpartition("/") if "/" in arn["rest"] else ("", "", arn["rest"])
    if not kind and ":" in name:
        kind, _, name = name.partition(":")
    kind = kind.split("/")[0]
    if arn["service"] == "s3":
        # Names of buckets are unique; an object has no name besides its ARN.
        if "/" in arn["rest"]:
            return None, ""
        return name, f"(resource_kind = 'bucketName' and resource = {_quoted(name)})"
    account = f"account_id = {_quoted(arn['account'])}" if arn["account"] else "true"
    named = _NAME_KINDS.get((arn["service"], kind))
    if named:
        named_so = f"resource_kind = {_quoted(named)}"
        return name, f"({named_so} and resource = {_quoted(name)} and {account})"
    if _ID.fullmatch(name):
        return name, f"(resource_kind <> 'arn' and resource = {_quoted(name)} and {account})"
    return None, ""


def candidates(rows: list[dict[str, Any]]) -> list[str]:
    """Say what a bare name may stand for, when that is more than one thing."""
    names = [row for row in rows if row["resource_kind"] != "arn"]
    kinds = {(row["account_id"], row["resource_kind"]) for row in names}
    if len(kinds) < 2:
        return []
    return [
        f"{row['resource_kind']} in {row['account_id']} ({row['calls']:,} calls)" for row in names
    ]


def _quoted(text: str) -> str:
    return sql_text(text.replace("\x00", ""))


def _unclear(what: str, where: str, mend: str) -> UsageError:
    return UsageError(what, where=where, mend=mend)
