"""Which event names there are: what AWS's own models of its services list, and a few besides."""

from __future__ import annotations

import functools
import re
from typing import Final

_VERSION: Final = re.compile(r"(?:19|20)\d\d_?\d\d_?\d\d(?:v\d+)?$")

_SERVICES: Final = {
    "access-analyzer": ("accessanalyzer",),
    "application-autoscaling": ("application-autoscaling",),
    "aoss": ("opensearchserverless",),
    "backup": ("backup",),
    "bedrock": ("bedrock", "bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime"),
    "ecr": ("ecr",),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elb", "elbv2"),
    "elasticmapreduce": ("emr",),
    "email": ("ses",),
    "ses": ("ses", "sesv2"),
    "es": ("es", "opensearch"),
    "events": ("events",),
    "identitystore": ("identitystore",),
    "inspector2": ("inspector2",),
    "monitoring": ("cloudwatch",),
    "network-firewall": ("network-firewall",),
    "ram": ("ram",),
    "rolesanywhere": ("rolesanywhere",),
    "route53domains": ("route53domains",),
    "servicecatalog": ("servicecatalog",),
    "servicequotas": ("service-quotas",),
    "sso": ("sso", "sso-admin"),
    "states": ("stepfunctions",),
    "streams.dynamodb": ("dynamodbstreams",),
    "tagging": ("resourcegroupstaggingapi",),
}
"""Services whose model goes by another name than their event source."""

_BESIDES: Final = {
    "signin": {
        "CheckMfa",
        "ConsoleLogin",
        "ExitRole",
        "GetSigninToken",
        "PasswordRecoveryCompleted",
        "PasswordRecoveryRequested",
        "PasswordUpdated",
        "RenewRole",
        "SwitchRole",
        "UserAuthentication",
    },
    "s3": {
        "DeleteBucketLifecycle",
        "DeleteBucketPublicAccessBlock",
        "DeleteObjects",
        "GetBucketLifecycle",
        "GetBucketNotification",
        "GetBucketObjectLockConfiguration",
        "GetBucketPublicAccessBlock",
        "GetBucketReplication",
        "ListBuckets",
        "ListObjects",
        "PutAccountPublicAccessBlock",
        "DeleteAccountPublicAccessBlock",
        "PutBucketLifecycle",
        "PutBucketNotification",
        "PutBucketObjectLockConfiguration",
        "PutBucketPublicAccessBlock",
    },
    "ec2": {"BidEvictedEvent", "SharedSnapshotCopyInitiated", "SharedSnapshotVolumeCreated"},
    "ec2-instance-connect": {"SendSSHPublicKey", "SendSerialConsoleSSHPublicKey", "OpenTunnel"},
    "sso": {"Federate", "Authenticate", "UpdateSsoConfiguration"},
}
"""Events that no model lists: sign-ins, and calls that CloudTrail spells in its own way."""

_DATA: Final = {
    "s3": re.compile(
        r"(Get|Put|Delete|Head|Copy|Restore|Select|List|Upload|Complete|Abort|Create).*"
        r"(Object|Objects|Part|PartCopy|MultipartUpload|Parts|ObjectVersions)"
    ),
    "lambda": re.compile(r"Invoke.*"),
    "dynamodb": re.compile(
        r"(Batch|Get|Put|Delete|Update|Query|Scan|Transact|Execute).*(Item|Items|Query|Scan|Statement|Transaction|ItemsBatch)?"
    ),
    "bedrock": re.compile(r"InvokeAgent|InvokeInlineAgent|Retrieve.*"),
    "sqs": re.compile(r"(Send|Receive|Delete)Message.*"),
    "sns": re.compile(r"Publish.*"),
    "ebs": re.compile(r"(Get|Put|List|Start|Complete).*Snapshot.*"),
}
_MANAGEMENT_DYNAMODB: Final = re.compile(
    r".*(Table|Backup|Tags?|Limits|Endpoints|Settings?|Stream.*|Policy|Insights|Imports?|Exports?|TimeToLive|Scaling|Replica.*|Continuous.*|Destination)$"
)


def is_data_event(event_source: str, event_name: str) -> bool:
    """Tell whether CloudTrail logs a call only where data events are switched on."""
    service = _service(event_source)
    if service == "dynamodb" and _MANAGEMENT_DYNAMODB.match(event_name):
        return False
    pattern = _DATA.get(service)
    return bool(pattern and pattern.fullmatch(event_name))


def exists(event_source: str, event_name: str) -> bool | None:
    """Tell whether there is such an event; None for a service that has no model here."""
    service = _service(event_source)
    if event_name in _BESIDES.get(service, ()):
        return True
    names = _operations(service)
    if names is None:
        return None
    bare = _VERSION.sub("", event_name)
    return bool({event_name, bare} & names)


def _service(event_source: str) -> str:
    return event_source.lower().removesuffix(".amazonaws.com")


@functools.cache
def _operations(service: str) -> frozenset[str] | None:
    """The operations of a service's models; None when there is no model of it."""
    from botocore.exceptions import DataNotFoundError, UnknownServiceError
    from botocore.loaders import Loader

    names: set[str] = set(_BESIDES.get(service, ()))
    known = service in _BESIDES
    for model in _SERVICES.get(service, (service,)):
        try:
            names |= Loader().load_service_model(model, "service-2")["operations"].keys()
        except (DataNotFoundError, UnknownServiceError):
            continue
        known = True
    return frozenset(names) if known else None
