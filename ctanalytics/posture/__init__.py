"""Is the trail set up well: CHECKS, pure functions from a snapshot of an account to findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ctanalytics.posture import (
    alarm,
    bucket,
    bucket_policy,
    iam,
    key,
    logs,
    monitor,
    recorded,
    services,
    things,
    topic,
    trail,
    watching,
)
from ctanalytics.posture.check import Check
from ctanalytics.posture.view import Subject, Subjects, Verdict, View, failed, passed

Judge = Callable[[View, Subject], Verdict]

_NO_TRAIL: Final = failed("there is no trail")
_NO_BUCKET: Final = failed("there is no trail, and so no bucket of logs")
_NO_KEY: Final = passed("does not apply: no log is encrypted with a key of KMS", applies=False)
_NO_GROUP: Final = passed("does not apply: no trail writes to a log group", applies=False)
_NO_ALARM: Final = passed("does not apply: no alarm watches the trail", applies=False)
_NO_TOPIC: Final = passed(
    "does not apply: there is no topic that anything here tells", applies=False
)
_NO_STORE: Final = passed("does not apply: there is no event data store", applies=False)
_NO_REGION: Final = failed("no region is audited")
_NO_LAKE: Final = passed("does not apply: no lake is in a bucket", applies=False)


def _of(subjects: Callable[[View], Subjects], none: Verdict) -> Callable[[Judge], Check]:
    return lambda judge: Check(subjects, judge, none)


_account = _of(things.account, _NO_REGION)
_region = _of(things.regions, _NO_REGION)
_trail = _of(things.trails, _NO_TRAIL)
_store = _of(things.event_data_stores, _NO_STORE)
_bucket = _of(things.buckets, _NO_BUCKET)
_key = _of(things.keys, _NO_KEY)
_trail_key = _of(things.trail_keys, _NO_KEY)
_group = _of(things.log_groups, _NO_GROUP)
_alarm = _of(watching.alarms, _NO_ALARM)
_topic = _of(watching.topics, _NO_TOPIC)
_lake = _of(things.lake_buckets, _NO_LAKE)

CHECKS: Final[dict[str, Check]] = {
    "trail-exists": _account(trail.exists),
    "trail-multi-region": _account(recorded.multi_region),
    "trail-logging": _trail(trail.logging),
    "trail-delivering": _trail(trail.delivering),
    "trail-management-read-write": _trail(recorded.management),
    "trail-global-events": _account(trail.global_events),
    "trail-log-file-validation": _trail(trail.validation),
    "trail-digest-delivering": _trail(trail.digests),
    "trail-kms": _trail(trail.encrypted),
    "trail-cloudwatch-logs": _trail(trail.log_group),
    "trail-insights": _trail(trail.insights),
    "trail-s3-data-write": _account(recorded.s3_writes),
    "trail-s3-data-read": _account(recorded.s3_reads),
    "trail-log-bucket-data": _bucket(recorded.log_bucket),
    "trail-lambda-dynamodb": _account(recorded.lambda_dynamodb),
    "trail-bedrock": _account(recorded.bedrock),
    "trail-network-activity": _region(recorded.network_activity),
    "trail-sns": _trail(trail.topic),
    "trail-organization": _account(trail.organization),
    "trail-home-region-opt-in": _trail(trail.home_region),
    "trail-duplicate": _region(recorded.duplicate),
    "trail-tagged": _trail(trail.tagged),
    "eds-cmk": _store(trail.store_key),
    "eds-termination-protection": _store(trail.store_protected),
    "seen-tampering": _account(recorded.tampering),
    "seen-not-recorded": _region(recorded.seen_not_recorded),
    "recorded-not-seen": _region(recorded.recorded_not_seen),
    "bucket-exists-owned": _bucket(bucket.exists_owned),
    "bucket-not-public": _bucket(bucket.not_public),
    "bucket-block-public-access": _bucket(bucket.block_public_access),
    "account-block-public-access": _account(bucket.account_block_public_access),
    "bucket-policy-source-arn": _bucket(bucket_policy.source_arn),
    "bucket-policy-least": _bucket(bucket_policy.least),
    "bucket-deny-non-tls": _bucket(bucket_policy.deny_non_tls),
    "bucket-delete-protected": _bucket(bucket_policy.delete_protected),
    "bucket-versioning": _bucket(bucket.versioning),
    "bucket-mfa-delete": _bucket(bucket.mfa_delete),
    "bucket-object-lock": _bucket(bucket.object_lock),
    "bucket-lifecycle": _bucket(bucket.lifecycle),
    "bucket-encryption": _bucket(bucket.encryption),
    "bucket-access-logging": _bucket(bucket.access_logging),
    "bucket-acl-disabled": _bucket(bucket.acl_disabled),
    "bucket-dedicated": _bucket(bucket.dedicated),
    "bucket-requester-pays": _bucket(bucket.requester_pays),
    "bucket-replication": _bucket(bucket.replication),
    "bucket-notification": _bucket(bucket.notification),
    "key-enabled": _key(key.enabled),
    "key-customer-managed": _key(key.customer_managed),
    "key-rotation": _key(key.rotated),
    "key-policy-cloudtrail": _trail_key(key.cloudtrail),
    "key-policy-not-public": _key(key.not_public),
    "key-same-region": _trail_key(key.same_region),
    **{
        f"monitor-{name}": _account(monitor.check(name))
        for name in (
            "unauthorized-calls",
            "sign-in-without-mfa",
            "root-use",
            "iam-policy-changes",
            "cloudtrail-changes",
            "sign-in-failures",
            "key-disabled",
            "bucket-policy-changes",
            "config-changes",
            "security-group-changes",
            "network-acl-changes",
            "gateway-changes",
            "route-table-changes",
            "vpc-changes",
            "organizations-changes",
            "selector-changes",
        )
    },
    "tampering-rule": _region(monitor.tampering_rule),
    "alarm-actions-exist": _alarm(alarm.actions_exist),
    "alarm-actions-enabled": _alarm(alarm.actions_enabled),
    "alarm-topic-subscribed": _alarm(alarm.topic_subscribed),
    "alarm-muted": _alarm(alarm.muted),
    "loggroup-retention": _group(logs.retention),
    "loggroup-kms": _group(logs.encrypted),
    "loggroup-public-policy": _group(logs.public_policy),
    "loggroup-role": _group(iam.log_role),
    "topic-encrypted": _topic(topic.encrypted),
    "topic-not-public": _topic(topic.not_public),
    "topic-source-arn": _topic(topic.source_arn),
    "iam-full-access": _account(iam.full_access),
    "iam-read-only": _account(iam.read_only),
    "iam-user-direct-policy": _account(iam.direct_policies),
    "iam-user-no-group": _account(iam.no_group),
    "iam-log-bucket-delete": _bucket(iam.log_deleters),
    "iam-scp-protects-trail": _account(iam.scp),
    "root-mfa": _account(iam.root_mfa),
    "root-key": _account(iam.root_key),
    "config-recorder-on": _region(services.recorder_on),
    "config-service-role": _region(services.recorder_role),
    "delegated-admin": _account(services.delegated_admin),
    "trusted-access": _account(services.trusted_access),
    "guardduty-on": _region(services.guardduty),
    "securityhub-on": _region(services.security_hub),
    "vpc-flow-logs": _region(services.flow_logs),
    "lake-exists-owned": _lake(bucket.exists_owned),
    "lake-not-public": _lake(bucket.not_public),
    "lake-block-public-access": _lake(bucket.block_public_access),
    "lake-policy-least": _lake(bucket_policy.least),
    "lake-deny-non-tls": _lake(bucket_policy.deny_non_tls),
    "lake-delete-protected": _lake(bucket_policy.lake_delete_protected),
    "lake-versioning": _lake(bucket.versioning),
    "lake-encryption": _lake(bucket.encryption),
    "lake-access-logging": _lake(bucket.access_logging),
    "lake-acl-disabled": _lake(bucket.acl_disabled),
}
"""Every check by its id, in the order of findings."""
