"""The sections of the settings: every default once, with its unit."""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a settings section."""


class Aws(Struct, frozen=True):
    """How one part (source, lake, emit) reaches AWS; empty means what boto3 finds by itself."""

    profile: str = ""
    region: str = ""
    role_arn: str = ""
    external_id: str = ""
    endpoint_url: str = ""  # else AWS_ENDPOINT_URL


class SourceAws(Aws, frozen=True):
    """The source's access to AWS, and who pays for its requests."""

    requester_pays: bool = False  # S3 refuses the requests of others than a bucket's owner else


class LakeAws(Aws, frozen=True):
    """The lake's access to AWS, and how its objects are encrypted."""

    sse: str = ""  # "aws:kms" or "AES256"; empty: the bucket's default
    kms_key_id: str = ""


class Drop(Struct, frozen=True):
    """Records that never become rows: those for which all conditions hold.

    Lists hold texts as AWS writes them, with * for any characters and ? for one; an empty list is
    no condition. An absent value fulfils none.
    """

    name: str
    event_source: list[str] = []
    event_name: list[str] = []
    account: list[str] = []
    region: list[str] = []
    identity_type: list[str] = []  # userIdentity.type
    principal: list[str] = []  # principal_arn: of a role session the role's ARN
    user_agent: list[str] = []
    invoked_by: list[str] = []  # the service that called on somebody's behalf
    read_only: bool | None = None
    errors: bool = False  # also those that failed or were denied


STS_CREDENTIALS = "responseElements.credentials.sessionToken"
"""Where STS logs the secret of temporary credentials, which lets whoever reads it act with them."""


class Redact(Struct, frozen=True):
    """What of a record is hidden before it is stored; see docs/privacy.md."""

    mask: list[str] = msgspec.field(default_factory=lambda: [STS_CREDENTIALS])
    hash: list[str] = []
    key_file: str = ""  # holds the key of the hashes; else the variable CTANALYTICS_REDACT_KEY


class Ingest(Struct, frozen=True):
    """Limits and shapes of an ingest."""

    workers: int = 0  # processes; 0: one for each core this process may use
    plan_bytes: int = 128 * 1024 * 1024  # compressed bytes of objects in one plan
    plan_objects: int = 20_000
    part_bytes: int = 4 * 1024 * 1024  # compressed bytes that one worker decodes at a time
    part_objects: int = 2_000
    part_unpacked_bytes: int = 256 * 1024 * 1024  # decompressed; a worker's rows go to disk then
    merge_bytes: int = 256 * 1024 * 1024  # decoded rows of one date that one worker holds at a time
    memory_bytes: int = 1024 * 1024 * 1024  # of all workers; lowers the limits on objects and rows
    requests_in_flight: int = 16  # S3 GETs of one worker
    max_object_bytes: int = 256 * 1024 * 1024  # compressed
    max_decompressed_bytes: int = 1024 * 1024 * 1024
    max_expansion: int = 1_100  # decompressed : compressed; gzip itself can't exceed 1,032
    first_days: int = 35  # of an S3 source with no ledger and no --since
    delivery_slack_days: int = 31  # CloudTrail retries a failed delivery for 30 days
    config_items: bool = False  # under AWSLogs/ in S3, list AWS Config's files too
    drop: list[Drop] = []  # noise that is read and counted, but not kept
    sweep_days: int = 32  # of S3; a sweep looks so far back for late files
    sweep_hours: float = 20.0  # the least time between sweeps: a nightly job makes one each night
    walk_below: int = 500  # folders of accounts and regions; fewer are looked for in every pass
    ask_above: int = 1_000_000  # objects to read
    restore_tier: str = "Bulk"  # or Standard, Expedited: sooner and dearer
    queue: str = ""  # URL of an SQS queue that announces new objects
    queue_gather_seconds: float = 5.0  # messages that come within this time share a plan
    queue_wait_seconds: int = 20  # for a message; without --follow 3 seconds of silence are an end
    queue_hidden_seconds: int = 300  # a message comes again so long after its reader died
    follow_seconds: float = 300.0  # from the start of one pass of --follow to the next


class Care(Struct, frozen=True):
    """How a lake's files are kept in order; see docs/lake.md."""

    closes_after_hours: float = 48.0  # after a date's end; then it is sorted for good
    sort: list[str] = msgspec.field(default_factory=lambda: ["principal_arn", "event_time"])
    file_bytes: int = 128 * 1024 * 1024  # of a compacted file, about
    group_rows: int = 50_000  # the smallest piece of a file that a reader leaves out
    zstd_level: int = 6  # of closed dates; what is written again gets 1
    open_files: int = 32  # of an open date, or of a table without dates
    late_files: int = 16  # of a closed date, beside its sorted ones
    late_share: float = 0.1  # of a closed date's rows: with more late ones it is sorted again
    workers: int = 1  # processes of a compaction; 0: one for each core this process may use
    memory_bytes: int = 1024 * 1024 * 1024  # of all workers; what does not fit goes to disk
    spill: str = ""  # folder for that; empty: inside a local lake, else the system's
    retention_hours: float = 24.0  # how long removed files stay for readers that still use them


class Allow(Struct, frozen=True):
    """What is known to be fine, and why; what is empty stands for any.

    An anomaly all of whose events one entry covers is kept and counted, but not sent.
    """

    reason: str
    principal: str = ""  # ARN; * stands for any characters
    api: str = ""  # eventSource:eventName, such as iam.amazonaws.com:Create*; * as above
    account: str = ""
    network: str = ""  # address or network, such as 203.0.113.0/24
    until: str = ""  # ISO date or time, UTC; what happens from then on is told again


class Calendar(Struct, frozen=True):
    """When the people of some accounts are off: their weekends are expected from weekends alone."""

    account: list[str] = []  # ids; * and ? stand for any characters
    ou: list[str] = []  # name, or path such as Root/Workloads/*
    timezone: str = "UTC"  # such as Europe/Berlin
    weekend: list[str] = msgspec.field(default_factory=lambda: ["sat", "sun"])
    holidays: list[str] = []  # ISO dates, each like a day of the weekend


class Detect(Struct, frozen=True):
    """What may page, and how often."""

    days: int = 14  # window when neither --since nor --until is given, up to the newest event
    detectors: list[str] = []  # that run when none is named; empty: all that share the budget
    budget: float = 7.0  # false pages per week that the whole lake may cause
    share_surge: float = 0.5
    share_stop: float = 0.15
    share_silence: float = 0.05
    share_behaviour: float = 0.2
    share_novelty: float = 0.1
    watermark_minutes: int = 15  # events older than this are taken as delivered
    # Also reads, data, network: more calls to count.
    series: list[str] = msgspec.field(default_factory=lambda: ["writes", "errors"])
    by_principal: bool = False  # also each principal's calls of an API by themselves
    calendars: list[Calendar] = []  # the first that names an account is its own
    governor: bool = True  # raise thresholds while alarms are more than twice the budget
    governor_since: str = ""  # ISO date: earlier raises count no more; see docs/detection.md
    seed: int = 20130
    behaviour_rows: int = 2  # of a principal each day, of 24 hours: to midnight, to noon
    allow: list[Allow] = []


class RuleException(Struct, frozen=True):
    """Matches of a rule that raise no alert, and why; what is empty stands for any."""

    rule: str  # its id, its name, or its path in the packaged rules
    reason: str
    principal: str = ""  # ARN; * stands for any characters
    account: str = ""
    network: str = ""  # address or network, such as 203.0.113.0/24
    until: str = ""  # ISO date or time, UTC; from then on the rule alerts again


class Rules(Struct, frozen=True):
    """Which Sigma rules run, and which of their matches raise alerts."""

    directories: list[str] = []  # folders of your own rules
    packaged: bool = True  # also run the rules that come with ctanalytics
    placeholders: dict[str, list[str]] = {}  # values of %name% in rules with `expand`
    thresholds: dict[str, int] = {}  # rule: matches of one principal in a group before it alerts
    exceptions: list[RuleException] = []
    group_hours: int = 24  # matches of a rule, principal and account in so many hours are one alert


class Route(Struct, frozen=True):
    """What goes to some targets, and when; all conditions have to hold, an empty one always does.

    Lists hold patterns with * and ?; one that begins with ! excludes. A target that no route
    names gets all, any other gets what at least one of its routes lets through.
    """

    to: list[str] = []  # targets as `emit.targets` has them, or kinds of them: sns; empty: all
    min_severity: str = ""
    detector: list[str] = []
    account: list[str] = []  # id or name
    ou: list[str] = []  # name, or path such as Root/Workloads/*
    environment: list[str] = []
    quiet_hours: str = ""  # such as 22:00-07:00: what comes then waits for the end
    quiet_days: list[str] = []  # sat, sun: quiet from midnight to midnight
    timezone: str = "UTC"  # of the quiet hours and days
    urgent: str = "critical"  # what is so severe does not wait


class TargetOptions(Struct, frozen=True):
    """How one target, or each of a kind, is served; what is empty stays as it is for its kind."""

    min_severity: str = ""  # high for sns and webhook, else medium
    grain: str = ""  # incidents, anomalies or both; cloudwatch counts both, others take incidents
    pii: str = ""  # full, masked or hashed; sns and webhook are masked
    max_messages: int = -1  # of one run, the rest in one more; 0: no limit; -1: 20 for sns, webhook
    calls_per_second: float = 0.0  # 0: what the provider takes, see docs/emit.md
    dimensions: list[str] = []  # of metrics, beside severity and detector: account, region


class Emit(Struct, frozen=True):
    """Where anomalies go."""

    targets: list[str] = []
    min_severity: str = ""  # empty: high for sns and webhook, else medium
    include_backfill: bool = False
    backfill_hours: float = 24.0  # ended longer before detection: in the report, not sent
    routes: list[Route] = []
    options: dict[str, TargetOptions] = {}  # by target, or by kind: sns


class Watch(Struct, frozen=True):
    """How `watch` goes round."""

    every_seconds: float = 300.0  # from the start of one round to the next
    hours: float = 6.0  # before the newest event that each round judges again, for late files
    detectors: list[str] = msgspec.field(
        default_factory=lambda: ["call_rate", "error_rate", "sigma"]
    )


class Incidents(Struct, frozen=True):
    """Which anomalies are one incident, and how long it stays open; see docs/incidents.md."""

    actor_minutes: int = 360  # between anomalies of one principal, access key or person
    near_minutes: int = 60  # between anomalies that share a network, API, role name or service
    accounts: int = 3  # the same API in so many accounts is one incident
    common_network: int = 5  # principals that use a network anyway; then it links nothing
    longest_days: float = 7.0  # what begins later begins a new incident
    closes_after_hours: float = 24.0  # after the end of its last anomaly


class Nightly(Struct, frozen=True):
    """What a night does besides ingest, detect, incidents, emit and report; see docs/nightly.md."""

    detectors: list[str] = []  # empty: all
    validate: bool = False  # check the digests of the sources that were delivered that day
    audit: bool = False  # audit how trails are set up, with audit_aws; needs credentials of AWS
    audit_role: str = ""  # of every account of the organization: audits them all
    again_days: int = 7  # so far back are days reported again that late files changed
    compact: bool = True
    vacuum_days: float = 7.0  # between vacuums; 0: never


class Report(Struct, frozen=True):
    """What a report shows, and how it is told."""

    output: str = "report"  # a folder or s3://bucket/prefix
    top: int = 20  # rows of each activity table
    language: str = "en"  # en or ja
    timezone: str = "UTC"  # of the times that are shown, such as Asia/Tokyo
    url: str = ""  # where people find what lies in `output`; digests link to a day below it


class Serve(Struct, frozen=True):
    """Who may read a lake by browser, and for how long a page may work; see docs/serve.md."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: one that is free
    allow_remote: bool = False  # other machines too, over plain HTTP
    names: list[str] = []  # further names of this server that browsers may use
    timeout_seconds: float = 60.0  # the most that a page may take
    days: int = 31  # of the lake that the first page lists


class Geoip(Struct, frozen=True):
    """Files that tell where an address is; each empty or a path. See docs/novelty.md."""

    city: str = ""  # MaxMind's format (.mmdb), such as GeoLite2-City: country, city, place
    asn: str = ""  # the same, such as GeoLite2-ASN: who runs the network
    aws_ranges: str = ""  # AWS's ip-ranges.json


class Accounts(Struct, frozen=True):
    """What an account's tags tell of it."""

    environment_tag: str = "environment"  # in any spelling of upper and lower case
    owner_tag: str = "owner"


class Audit(Struct, frozen=True):
    """What is expected of accounts; names are ARNs or ids, with * for any characters."""

    regions: list[str] = []  # empty: all that the account has opted in to
    workers: int = 16  # requests at a time
    accounts_at_once: int = 4  # of an organization
    retention_days: int = 365  # logs are kept at least so long
    trail_admins: list[str] = []  # principals that may change trails
    most_trail_admins: int = 3  # how many there may be when none is named
    auditors: list[str] = []  # principals that must be able to read trails
    log_deleters: list[str] = []  # principals that may delete logs
    log_writers: list[str] = []  # besides log delivery, in policies of log and lake buckets
    trusted_accounts: list[str] = []  # besides the audited one, in policies
    delegated_admins: list[str] = []  # accounts that may administer the organization's trail
    lake_buckets: list[str] = []  # besides those of `lake` and `report.output`
    network_sources: list[str] = []  # event sources whose VPC endpoints must be logged
    wants_replication: bool = False  # logs must be copied to another bucket
    wants_topic: bool = False  # an ingest relies on the trail's own notifications
    metric_namespaces: list[str] = []  # whose alarms are looked at besides those on the trail
    seen_days: int = 7  # of the lake, that trails are held against


class Query(Struct, frozen=True):
    """Limits of a user's SQL."""

    timeout_seconds: float = 0.0  # 0: none
    memory_bytes: int = 0  # 0: DuckDB's own, 80 % of the machine's; what is more goes to disk
    threads: int = 0  # 0: one for each core


class Execution(Struct, frozen=True):
    """Where heavy work runs; see docs/scale.md."""

    executor: str = "local"  # processes of this machine; or spark
    master: str = ""  # such as spark://host:7077; empty: what spark-submit has set
    options: dict[str, str] = {}  # Spark properties, such as "spark.executor.memory"
    part_bytes: int = 67_108_864  # event files that a detector's part reads; less is not spread


class Settings(Struct, frozen=True):
    """All settings of a run."""

    lake: str = ""
    sources: list[str] = []
    log_format: str = "text"  # or json
    quiet: bool = False
    source_aws: SourceAws = SourceAws()
    lake_aws: LakeAws = LakeAws()
    emit_aws: Aws = Aws()
    audit_aws: Aws = Aws()
    execution: Execution = Execution()
    ingest: Ingest = Ingest()
    care: Care = Care()
    redact: Redact = Redact()
    detect: Detect = Detect()
    geoip: Geoip = Geoip()
    rules: Rules = Rules()
    emit: Emit = Emit()
    watch: Watch = Watch()
    incidents: Incidents = Incidents()
    nightly: Nightly = Nightly()
    report: Report = Report()
    serve: Serve = Serve()
    query: Query = Query()
    accounts: Accounts = Accounts()
    audit: Audit = Audit()
    lookups: dict[str, str] = {}  # name of a table of your own: its CSV or Parquet file
