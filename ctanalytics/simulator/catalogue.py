"""The APIs that the organization calls: what their requests, answers and errors look like."""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a call fails."""

    code: str
    message: str


@dataclass(frozen=True)
class Api:
    """One API of the catalogue; texts hold ${name} where a call's own values go."""

    service: str
    name: str
    read_only: bool
    data_event: bool
    event_type: str
    fields: dict[str, Any]
    """request, response, additional, resources, service_details, version, no_request_id."""
    natural_faults: tuple[tuple[Fault, float], ...]
    """Faults of normal life and the share of calls that meet them."""
    denied_code: str
    action: str
    """As policies name it: ec2:RunInstances."""
    resource: str
    """What a denial names."""
    host: str
    request_id: str
    global_service: bool
    event_version: str

    @property
    def event_source(self) -> str:
        """CloudTrail's eventSource."""
        return f"{self.service}.amazonaws.com"

    def fault(self, kind: str) -> Fault:
        """The fault of a kind: denied, scp, dryrun, failed, or the place of a natural one."""
        if kind.isdigit():
            return self.natural_faults[int(kind)][0]
        if kind == "dryrun":
            return Fault(
                "Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set."
            )
        if kind == "failed":  # a sign-in that fails has a message and no code
            return Fault("", "Failed authentication")
        reason = {
            "denied": f"because no identity-based policy allows the {self.action} action",
            "scp": "with an explicit deny in a service control policy",
        }[kind]
        before = (
            "You are not authorized to perform this operation. " if self.service == "ec2" else ""
        )
        return Fault(
            self.denied_code,
            f"{before}User: ${{caller}} is not authorized to perform: {self.action} "
            f"on resource: {self.resource} {reason}",
        )


_VERSION_SUFFIX = re.compile(r"(\d{8}v?\d*|\d{4}_\d{2}_\d{2})$")


@functools.cache
def catalogue() -> dict[str, Api]:
    """All APIs, as "ec2:RunInstances"."""
    data = msgspec.json.decode(
        importlib.resources.files(__package__).joinpath("data/apis.json").read_bytes()
    )
    return {
        f"{service}:{name}": _api(service, facts, name, fields)
        for service, facts in data["services"].items()
        for name, fields in facts["apis"].items()
    }


def _api(service: str, facts: dict[str, Any], name: str, fields: dict[str, Any]) -> Api:
    version = fields.get("version", facts.get("version"))
    return Api(
        service=service,
        name=name,
        read_only=fields.get("read", False),
        data_event=fields.get("data", False),
        event_type=fields.get("type", "AwsApiCall"),
        fields={**fields, "version": version} if version else fields,
        natural_faults=tuple(
            (Fault(code, message), share) for code, message, share in fields.get("errors", [])
        ),
        denied_code=facts.get("denied", "AccessDenied"),
        action=f"{facts.get('prefix', service)}:{_VERSION_SUFFIX.sub('', name)}",
        resource=fields.get("on", "*"),
        host=facts.get("host", f"{service}.${{region}}.${{dns}}"),
        request_id=facts.get("request_id", "uuid"),
        global_service=facts.get("global", False),
        event_version=facts.get("event_version", "1.11"),
    )
