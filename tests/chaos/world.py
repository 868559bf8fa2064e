"""The world that faults happen in: log files, lakes at several ages, and commands with what they need."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ctanalytics.app.lake.check import check
from ctanalytics.lake.lake import Lake
from tests import logs
from tests.chaos.forks import Forks
from tests.chaos.reading import Contents, contents

STORED: Final = Path(__file__).parents[1] / "lake" / "stored"
FILES: Final = 12
APART: Final = 40_000  # seconds: twelve files over five and a half days
ERIN: Final = {
    "type": "IAMUser",
    "principalId": "AIDAJQABLZS4A3QDU576Q",
    "arn": f"arn:aws:iam::{logs.ACCOUNT}:user/erin",
    "accountId": logs.ACCOUNT,
    "userName": "erin",
}
SETTINGS: Final = """\
[ingest]
workers = 1
plan_objects = 4
part_objects = 2

[nightly]
detectors = ["sigma", "novelty"]

[emit]
targets = ["file:out/alerts.ndjson"]
min_severity = "low"
include_backfill = true

[report]
output = "out/nights"
"""


@dataclass(frozen=True)
class Command:
    """A command of the campaign."""

    base: str
    """Which lake it works on; see `BASES`."""
    arguments: tuple[str, ...]
    but: frozenset[str] = frozenset()
    """Tables that a second run may change: what it did is done once more, and logged."""
    alters: bool = True
    """Whether it changes tables that readers look at."""
    dear: float = 0.5
    """About how many CPU seconds a run takes: by this the work is dealt out evenly."""
    also: Callable[[Path], Any] = field(default=lambda _: None)
    """What else has to be as after an undisturbed run."""


def _alerts(home: Path) -> Any:
    """The alerts that a file has got, each once: a kill may repeat one call's."""
    path = home / "out" / "alerts.ndjson"
    if not path.exists():
        return None
    lines = [line for line in path.read_text("utf-8").split("\n") if line]
    found = set()
    for line in lines:
        try:
            alert = json.loads(line)
        except ValueError:
            continue  # a line that a kill cut off
        found.add((alert["alert_id"], alert["state"], alert["revision"]))
    return sorted(found)


LAKE: Final = ("--lake", "lake")
COMMANDS: Final[dict[str, Command]] = {
    "ingest (new lake)": Command("none", ("ingest", "logs", *LAKE), dear=1),
    "ingest": Command("half", ("ingest", "logs", *LAKE)),
    "ingest --reingest": Command(
        "all",
        ("ingest", "logs", *LAKE, "--reingest"),
        but=frozenset(("log_files", "quarantine")),
        dear=1.3,
    ),
    "lake compact": Command("all", ("lake", "compact", *LAKE)),
    "detect": Command(
        "all",
        (
            "detect",
            *LAKE,
            *("--since", "2026-03-03", "--until", "2026-03-06T19:00"),
            *("--detector", "call_rate", "--detector", "novelty", "--detector", "sigma"),
        ),
        dear=1.5,
    ),
    "detect (behaviour)": Command(
        "all",
        (
            "detect",
            *LAKE,
            *("--since", "2026-03-03", "--until", "2026-03-06T19:00"),
            *("--detector", "isolation_forest"),
        ),
    ),
    "incidents build": Command("found", ("incidents", "build", *LAKE)),
    "emit": Command(
        "told",
        (
            "emit",
            *LAKE,
            "--to",
            "file:out/alerts.ndjson",
            "--include-backfill",
            "--min-severity",
            "low",
        ),
        also=_alerts,
    ),
    "report": Command(
        "told",
        (
            "report",
            *LAKE,
            "--output",
            "out/report",
            "--since",
            "2026-03-02",
            "--until",
            "2026-03-04",
        ),
        alters=False,
        dear=3.9,
    ),
    "forget": Command("told", ("forget", *LAKE, "--user-name", "erin", "--yes")),
    "lake expire": Command(
        "told", ("lake", "expire", *LAKE, "--older-than", "2026-03-03", "--yes")
    ),
    "lake vacuum": Command(
        "compacted", ("lake", "vacuum", *LAKE, "--retention-hours", "0", "--force")
    ),
    "nightly": Command("half", ("nightly", "--no-wait", *LAKE), also=_alerts, dear=4.6),
    "mark": Command("told", ("mark", "@anomaly", "--benign", "--note", "a test", *LAKE)),
    "accounts import": Command("told", ("accounts", "import", "accounts.csv", *LAKE)),
    "lake export": Command(
        "told",
        ("lake", "export", "out/events.ndjson", *LAKE, "--format", "ndjson", "--force"),
        alters=False,
    ),
    "connect": Command("told", ("connect", "out/lake-views.duckdb", *LAKE), alters=False),
    "investigate": Command(
        "told",
        ("investigate", "--ip", "203.0.113.9", "--output", "out/case", *LAKE),
        alters=False,
    ),
    "upgrade": Command("older", ("lake", "info", *LAKE), alters=False),
}


BASES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "half": ("none", ("ingest", "half", *LAKE)),
    "all": ("none", COMMANDS["ingest"].arguments),
    "compacted": ("all", COMMANDS["lake compact"].arguments),
    "found": ("all", COMMANDS["detect"].arguments),
    "told": ("found", COMMANDS["incidents build"].arguments),
}
"""Lakes at several ages: what each is made from, and by which command. Beside them `none`, and
`older`, which an older ctanalytics wrote."""


@dataclass
class World:
    """One home at a time is made below a folder, from one of the bases, always at the same path:
    the lake knows log files and targets by their paths."""

    folder: Path
    forks: Forks
    anomaly: str = ""

    def __post_init__(self) -> None:
        empty = self.folder / "base-none"
        for name in ("lake", "out", "tmp"):
            (empty / name).mkdir(parents=True, mode=0o700)
        (empty / "lake").rmdir()
        logs.corpus(empty / "half", files=FILES // 2, per_file=20, apart=APART)
        _corpus(empty / "logs")
        for number in range(3):
            times = [500_000 + 100 * number + place for place in range(8)]
            logs.write(empty / "more" / logs.key(2_000 + number), map(logs.record, times))
        (empty / "ctanalytics.toml").write_text('sources = ["logs"]\n' + SETTINGS, "utf-8")
        (empty / "accounts.csv").write_text(f"account_id,name\n{logs.ACCOUNT},Payments\n", "utf-8")

    def base(self, name: str) -> Path:
        """Return the folder of a base."""
        return self.folder / f"base-{name}"

    def home(self, base: str) -> Path:
        """Return a new home; a base is made when it is first asked for."""
        self._make(base)
        return Path(shutil.copytree(self.base(base), self.folder / "home", dirs_exist_ok=True))

    def arguments(self, command: Command) -> list[str]:
        """Return the words of a command line."""
        return [self.anomaly if word == "@anomaly" else word for word in command.arguments]

    def drop(self) -> None:
        """Remove the home and what its commands said."""
        for path in self.folder.glob("home*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _make(self, name: str) -> None:
        if self.base(name).exists():
            return
        if name == "older":
            shutil.copytree(self.base("none"), self.base(name))
            _unpack_older(self.base(name) / "lake")
            return
        of, arguments = BASES[name]
        home = self.home(of)
        ran = self.forks.run(list(arguments), home)
        if ran.code not in (0, 3):
            raise RuntimeError(f"{' '.join(arguments)} ended with {ran.code}:\n{ran.said}")
        self._store(name, home)

    def keep(self, command: Command) -> None:
        """Take the home that an undisturbed command has left for a base, if it is one; else drop it."""
        for name, made_by in BASES.items():
            if made_by == (command.base, command.arguments) and not self.base(name).exists():
                self._store(name, self.folder / "home")
        self.drop()

    def _store(self, name: str, home: Path) -> None:
        home.rename(self.base(name))
        self.drop()
        if name == "told":
            with Lake.open(self.base(name) / "lake").engine() as engine:
                found = engine.sql("select anomaly_id from lake.anomalies order by 1").to_pylist()
            self.anomaly = found[0]["anomaly_id"]


def _corpus(folder: Path) -> None:
    logs.corpus(folder, files=FILES, per_file=20, apart=APART)
    odd = [
        logs.record(90_000 + n, userIdentity=ERIN, eventName="PutBucketPolicy", readOnly=False)
        for n in range(12)
    ]
    odd += [
        logs.record(
            200_000 + n,
            userIdentity=ERIN,
            eventSource="cloudtrail.amazonaws.com",
            eventName="StopLogging",
            readOnly=False,
            requestParameters={"name": "main"},
        )
        for n in range(2)
    ]
    odd += [logs.record(3, eventName="Contradiction"), logs.record(0, eventVersion="2.0")]
    logs.write(folder / "odd.json.gz", odd)
    (folder / "cut.json.gz").write_bytes(b"\x1f\x8b\x08cut")


def _unpack_older(lake: Path) -> None:
    with zipfile.ZipFile(STORED / "format-1.zip") as file:
        file.extractall(lake.parent)
    lake.chmod(0o700)


@dataclass(frozen=True)
class After:
    """What a home holds after a command."""

    tables: Contents
    files: tuple[str, ...]
    """Below `out`."""
    also: Any


def after(home: Path, command: Command) -> After:
    """Look at a home."""
    out = home / "out"
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    return After(contents(home / "lake", but=command.but), tuple(files), command.also(home))


def leftovers(home: Path) -> list[str]:
    """Return what a command should not have left: half-written files, plans, staged rows, leases."""
    found = [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file()
        and (
            (path.name.startswith(".") and "tables" not in path.parts)
            or path.suffix in (".tmp", ".part")
            or "#" in path.name
            or (path.parts[len(home.parts)] == "tmp" and path.name.startswith("ctanalytics"))
        )
    ]
    lake = home / "lake"
    for folder in ("plans", "staging", "leases", "journal"):
        found += [str(p.relative_to(home)) for p in (lake / folder).rglob("*") if p.is_file()]
    return sorted(found)


def flaws(home: Path) -> list[str]:
    """Return what `lake check` finds."""
    return [
        f"{flaw.check} {flaw.table} {flaw.where}: {flaw.what}"
        for flaw in check(str(home / "lake")).flaws
    ]
