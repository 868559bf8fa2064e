"""What there is to judge in an account: trails, and the buckets, keys, log groups that they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctanalytics.posture import policy, selectors
from ctanalytics.posture.view import Gone, Subject, Subjects, Unread, View


def account(view: View) -> Subjects:
    """The account itself."""
    return Subjects((_account(view),))


def _account(view: View) -> Subject:
    arn = f"arn:{view.snapshot.partition}:iam::{view.account_id}:root"
    return Subject(arn, name=view.account_id, values={"account": view.account_id})


def regions(view: View) -> Subjects:
    """Each region of the account that is audited."""
    partition, account_id = view.snapshot.partition, view.account_id
    return Subjects(
        tuple(
            Subject(
                f"arn:{partition}:ec2:{region}:{account_id}:region",
                aws_region=region,
                name=region,
                values={"account": account_id, "region": region},
            )
            for region in view.snapshot.regions
        )
    )


def trails(view: View) -> Subjects:
    """Every trail that logs here: the account's own, and those of its organization."""
    unseen: list[Unread] = []
    homes = {view.snapshot.home_region}
    try:
        listed = view.home("cloudtrail", "ListTrails").get("Trails") or ()
        homes |= {str(one["HomeRegion"]) for one in listed if one.get("HomeRegion")}
    except Unread as found:
        unseen.append(Unread(f"trails of other regions: {found.why}", missing=found.missing))
    known: dict[str, Subject] = {}
    for region in sorted(homes):
        try:
            answer = view.answer("cloudtrail", "DescribeTrails", region, includeShadowTrails=True)
        except Unread as found:
            unseen.append(found)
            continue
        for one in answer.get("trailList") or ():
            arn = str(one.get("TrailARN", ""))
            known.setdefault(arn, _trail(arn, one, region))
    return Subjects(tuple(known[arn] for arn in sorted(known)), tuple(unseen))


def _trail(arn: str, facts: Mapping[str, Any], region: str) -> Subject:
    home = str(facts.get("HomeRegion") or region)
    values = {
        "trail": str(facts.get("Name", "")),
        "region": home,
        "account": account_of(arn),
        "arn": arn,
        "bucket": str(facts.get("S3BucketName", "")),
    }
    return Subject(arn, home, values["trail"], facts, values)


def status(view: View, trail: Subject) -> Any:
    """What GetTrailStatus says of a trail."""
    return view.answer("cloudtrail", "GetTrailStatus", trail.aws_region, Name=trail.resource)


def is_logging(view: View, trail: Subject) -> bool:
    """Tell whether a trail logs now."""
    return bool(status(view, trail).get("IsLogging"))


def selectors_of(view: View, trail: Subject) -> tuple[selectors.Selector, ...]:
    """What a trail records."""
    return selectors.of_answer(
        view.answer("cloudtrail", "GetEventSelectors", trail.aws_region, TrailName=trail.resource)
    )


def records_management(view: View, trail: Subject) -> bool:
    """Tell whether a trail records any management event at all."""
    wanted = selectors.EventClass("Management")
    return selectors.coverage(selectors_of(view, trail), wanted).extent != "none"


def records_in(trail: Subject, region: str) -> bool:
    """Tell whether a trail is there for a region, logging or not."""
    return bool(trail.facts.get("IsMultiRegionTrail")) or trail.aws_region == region


def recorded(view: View, region: str, wanted: selectors.EventClass) -> selectors.Coverage:
    """Tell how much of a class all trails that log in a region record together.

    Objects of log buckets are not asked for: a trail that records its own deliveries never ends, and
    who watches those buckets is judged by a check of its own.

    Raises:
        Unread: not all of it, as far as could be read, and some trail could not.
    """
    found = trails(view)
    unread = list(found.unseen)
    union: list[selectors.Selector] = []
    for trail in found.known:
        if not records_in(trail, region):
            continue
        try:
            if is_logging(view, trail):
                union += selectors_of(view, trail)
        except Unread as one:
            unread.append(one)
    log_files = tuple(
        f"arn:{view.snapshot.partition}:s3:::{trail.facts.get('S3BucketName')}/"
        for trail in found.known
    )
    result = selectors.coverage(union, wanted, but=log_files)
    if result.extent != "all" and unread:
        raise unread[0]
    return result


def buckets(view: View) -> Subjects:
    """Each bucket that trails deliver to."""
    found = trails(view)
    by_name: dict[str, list[Subject]] = {}
    for trail in found.known:
        if name := str(trail.facts.get("S3BucketName") or ""):
            by_name.setdefault(name, []).append(trail)
    return Subjects(
        tuple(bucket(view, name, by_name[name]) for name in sorted(by_name)), found.unseen
    )


def lake_buckets(view: View) -> Subjects:
    """Each bucket of a lake or of reports."""
    return Subjects(tuple(bucket(view, name, ()) for name in sorted(view.expected.lake_buckets)))


def bucket(view: View, name: str, writers: Sequence[Subject]) -> Subject:
    """A bucket, and the trails that deliver to it."""
    arn = f"arn:{view.snapshot.partition}:s3:::{name}"
    region = writers[0].aws_region if writers else view.snapshot.home_region
    values = {"bucket": name, "account": view.account_id, "region": region}
    values["trail_arn"] = writers[0].resource if writers else ""
    return Subject(arn, "", name, {"trails": tuple(writers)}, values)


def s3(view: View, one: Subject, operation: str) -> Any:
    """An answer of S3 about a bucket.

    Raises:
        Unread: it was denied, or there is no such bucket.
    """
    read = view.find("s3", operation, view.snapshot.home_region, Bucket=one.name)
    if read.absent == "NoSuchBucket":
        raise Gone("there is no such bucket")
    if read.refused:
        raise Unread(f"{read.ask.api}: {read.refused}", missing=read.missing)
    return {} if read.answer is None else read.answer


def bucket_policy(view: View, one: Subject) -> tuple[policy.Statement, ...]:
    """The statements of a bucket's policy; none when it has none."""
    return policy.statements(s3(view, one, "GetBucketPolicy").get("Policy"))


def bucket_key(view: View, one: Subject) -> str:
    """The key that a bucket encrypts with by default; empty for S3's own."""
    return str(_default_encryption(view, one).get("KMSMasterKeyID") or "")


def _default_encryption(view: View, one: Subject) -> Mapping[str, Any]:
    answer = s3(view, one, "GetBucketEncryption")
    rules = (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or ()
    for rule in rules:
        found = rule.get("ApplyServerSideEncryptionByDefault")
        if found:
            return {**found, "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)}
    return {}


def default_encryption(view: View, one: Subject) -> Mapping[str, Any]:
    """How a bucket encrypts what comes without a word of it; empty when it does not say."""
    return _default_encryption(view, one)


def trail_keys(view: View) -> Subjects:
    """Each key that a trail encrypts with."""
    found = trails(view)
    by_key: dict[str, list[Subject]] = {}
    for trail in found.known:
        if name := str(trail.facts.get("KmsKeyId") or ""):
            by_key.setdefault(name, []).append(trail)
    return Subjects(
        tuple(key(view, name, by_key[name][0].aws_region, by_key[name]) for name in sorted(by_key)),
        found.unseen,
    )


def keys(view: View) -> Subjects:
    """Each key that logs are encrypted with: of trails, their buckets, and lakes."""
    found = trail_keys(view)
    known = {one.resource: one for one in found.known}
    unseen = list(found.unseen)
    for listed in (buckets(view), lake_buckets(view)):
        for one in listed.known:
            try:
                name = bucket_key(view, one)
            except Gone:
                continue
            except Unread as why:
                unseen.append(
                    Unread(f"the key of the bucket {one.name}: {why.why}", missing=why.missing)
                )
                continue
            if name and "alias/aws/s3" not in name:
                made = key(view, name, one.values["region"], ())
                known.setdefault(made.resource, made)
    return Subjects(tuple(known[arn] for arn in sorted(known)), tuple(unseen))


def key(view: View, name: str, region: str, users: Sequence[Subject]) -> Subject:
    """A key by its ARN, alias or id, and the trails that use it."""
    if not name.startswith("arn:"):
        what = name if name.startswith("alias/") else f"key/{name}"
        name = f"arn:{view.snapshot.partition}:kms:{region}:{view.account_id}:{what}"
    where = region_of(name) or region
    values = {"key": name, "region": where, "account": account_of(name)}
    values["trail_arn"] = users[0].resource if users else ""
    return Subject(name, where, name.rpartition("/")[2], {"trails": tuple(users)}, values)


def log_groups(view: View) -> Subjects:
    """Each log group that trails write to."""
    found = trails(view)
    by_arn: dict[str, list[Subject]] = {}
    for trail in found.known:
        if arn := str(trail.facts.get("CloudWatchLogsLogGroupArn") or ""):
            by_arn.setdefault(arn.removesuffix(":*"), []).append(trail)
    return Subjects(tuple(_log_group(arn, by_arn[arn]) for arn in sorted(by_arn)), found.unseen)


def _log_group(arn: str, writers: Sequence[Subject]) -> Subject:
    name = arn.partition(":log-group:")[2]
    values = {"log_group": name, "region": region_of(arn), "account": account_of(arn)}
    values["trail"] = writers[0].name
    return Subject(arn, region_of(arn), name, {"trails": tuple(writers)}, values)


def log_group_facts(view: View, group: Subject) -> Mapping[str, Any]:
    """What CloudWatch Logs says of a log group; empty when it is gone.

    Raises:
        Unread: it was denied, or is another account's.
    """
    owner = account_of(group.resource)
    if owner != view.account_id:
        raise Unread(f"the log group is in the account {owner}: audit that one")
    answer = view.answer(
        "logs", "DescribeLogGroups", group.aws_region, logGroupNamePrefix=group.name
    )
    for one in answer.get("logGroups") or ():
        if one.get("logGroupName") == group.name:
            return dict(one)
    return {}


def event_data_stores(view: View) -> Subjects:
    """Each event data store of the regions that are audited."""
    known: list[Subject] = []
    unseen: list[Unread] = []
    for region in view.snapshot.regions:
        try:
            answer = view.answer("cloudtrail", "ListEventDataStores", region)
        except Unread as why:
            unseen.append(why)
            continue
        for one in answer.get("EventDataStores") or ():
            arn = str(one.get("EventDataStoreArn"))
            values = {"store": arn, "region": region, "account": account_of(arn)}
            known.append(Subject(arn, region, str(one.get("Name", arn)), one, values))
    return Subjects(tuple(known), tuple(unseen))


def account_of(arn: str) -> str:
    """The account in an ARN; empty when it has none."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""


def region_of(arn: str) -> str:
    """The region in an ARN; empty when it has none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 else ""
