"""Faults other than kills: crowds, full and read-only disks, clocks that jump, a bad network."""

from __future__ import annotations

import contextlib
import gzip
import logging
import random
import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import boto3
import pytest

from tests import logs
from tests.aws_server import DroppedError, aws_server, environment, s3_error
from tests.chaos.forks import Forks, Ran, Running
from tests.chaos.reading import contents, halves, watched
from tests.chaos.trials import GOOD, Trial, Trials
from tests.chaos.world import COMMANDS, LAKE, World, flaws, leftovers

TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    name: COMMANDS[name].arguments
    for name in (
        "lake compact",
        "detect",
        "incidents build",
        "emit",
        "report",
        "forget",
        "lake expire",
        "nightly",
        "mark",
        "accounts import",
        "lake export",
        "connect",
    )
} | {
    "ingest": ("ingest", "more", *LAKE),
    "lake vacuum": ("lake", "vacuum", *LAKE),
}
"""What is run two at a time, on a lake that has been through everything once."""

LOSES: Final = ("ingest", "forget", "lake expire", "nightly")
"""Those of them that change which events there are."""

READERS: Final[dict[str, tuple[str, ...]]] = {
    "query": ("query", "select count(*) from events", *LAKE),
    "lake check": ("lake", "check", *LAKE),
    "lake info": ("lake", "info", *LAKE),
    "report": ("report", *LAKE, "--output", "../out", "--since", "2026-03-02"),
    "incidents list": ("incidents", "list", *LAKE),
    "views": ("views", *LAKE),
}
FAKETIME: Final = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",)
CLOCKED: Final = ("ingest", "lake compact", "detect", "incidents build", "emit", "lake expire")
JUMPS: Final = ("+2h", "-2h", "+400d")


def clean(ran: Ran) -> Iterator[str]:
    """A command that could not do its work says so in words of ours."""
    if "Traceback" in ran.said or ran.code not in (0, 1, 2, 3):
        yield f"it ended with {ran.code}: {ran.said[-500:]}"


def pairs() -> list[tuple[str, str]]:
    """Return all pairs, each command with itself too."""
    return list(combinations_with_replacement(sorted(TOGETHER), 2))


def together(trials: Trials, first: str, second: str) -> Trial:
    """Run two commands at once while a reader looks, then both again, one after the other."""
    world = trials.world
    trial = Trial("two at once, and a reader", f"{first} + {second}", True)
    expected = _serial(trials, first, second)
    home = world.home("told")
    seen = world.folder / "home.seen"
    reader = world.forks.start(["@reader", "lake", str(seen)], home)
    running = [_begin(world, name, home) for name in (first, second)]
    for each in running:
        trial.wrong += clean(each.wait())
    (home / "stop").touch()
    ended = reader.wait()
    (home / "stop").unlink()
    if ended.code:
        trial.wrong.append(f"the reader ended: {ended.said[-500:]}")
    else:
        trial.wrong += halves(home / "lake", watched(seen))
    for name in (first, second):
        ran = _begin(world, name, home).wait()
        if ran.code not in GOOD:
            trial.wrong.append(f"{name} run again ended with {ran.code}: {ran.said[-500:]}")
    found = contents(home / "lake")["events"]
    if found != expected:
        trial.wrong.append(f"events are {found}, not {expected}")
    trial.wrong += flaws(home) + leftovers(home)
    world.drop()
    return trial


def _begin(world: World, name: str, home: Path) -> Running:
    words = [world.anomaly if word == "@anomaly" else word for word in TOGETHER[name]]
    return world.forks.start(words, home)


def _serial(trials: Trials, *names: str) -> tuple[int, str]:
    """What events there are after those of the commands that change them, one after the other."""
    chosen = tuple(name for name in LOSES if name in names)
    if chosen not in trials.serial:
        home = trials.world.home("told")
        for name in chosen:
            _begin(trials.world, name, home).wait()
        trials.serial[chosen] = contents(home / "lake")["events"]
        trials.world.drop()
    return trials.serial[chosen]


@contextlib.contextmanager
def small_disk(world: World, free: int, base: str) -> Iterator[Path]:
    """A home on a file system of its own, with so many bytes left.

    Raises:
        subprocess.CalledProcessError: this user may not mount one.
    """
    world.home(base)  # so that the base is there before
    world.drop()
    home = world.folder / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", home], check=True)
    try:
        world.home(base)
        used = shutil.disk_usage(home).used
        size = f"remount,size={used + free}"
        subprocess.run(["mount", "-o", size, home], check=True)
        yield home
    finally:
        subprocess.run(["umount", "-l", home], check=True)
        world.drop()


def full_disk(trials: Trials, name: str) -> Trial:
    """Let the disk run full under a command, make room, and run it again."""
    command = COMMANDS[name]
    trials.quiet(name)
    free = trials.rng.randrange(0, 300_000)
    trial = Trial("disk full", name, True)
    with small_disk(trials.world, free, command.base) as home:
        words = trials.world.arguments(command)
        ran = trials.world.forks.run(words, home)
        trial.hit = ran.code not in GOOD
        trial.wrong += clean(ran)
        subprocess.run(["mount", "-o", "remount,size=64m", home], check=True)
        trial.wrong += trials.differences(name, trials.world.forks.run(words, home))
    return trial


def read_only(trials: Trials, name: str) -> Trial:
    """Run a command on a lake that can't be written: readers work, others say what is wrong."""
    reads = name in READERS
    base = "told" if reads else COMMANDS[name].base
    trial = Trial("read-only lake", name, True)
    with small_disk(trials.world, 1_000_000, base) as home:
        before = contents(home / "lake") if (home / "lake").exists() else {}
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        words = list(READERS[name]) if reads else trials.world.arguments(COMMANDS[name])
        ran = trials.world.forks.run(words, home, env={"TMPDIR": "/tmp"})
        trial.wrong += clean(ran)
        if reads and ran.code not in GOOD:
            trial.wrong.append(f"it could not read: {ran.said[-500:]}")
        if before and contents(home / "lake") != before:
            trial.wrong.append("the lake changed")
    shutil.rmtree(trials.world.folder / "out", ignore_errors=True)
    return trial


def clock(trials: Trials, name: str, jump: str) -> Trial:
    """Put the clock forward or back in mid-run."""
    trial = Trial(f"clock jumps {jump}", name, True)
    quiet = trials.quiet(name)
    moved = trials.world.folder / "home.clock"
    moved.write_text("+0", "ascii")
    if trials.clocked is None:
        trials.clocked = Forks(
            {
                "LD_PRELOAD": FAKETIME[0],
                "FAKETIME_TIMESTAMP_FILE": str(moved),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        )
    home = trials.world.home(COMMANDS[name].base)
    moved.write_text("+0", "ascii")
    running = trials.clocked.start(trials.world.arguments(COMMANDS[name]), home)
    time.sleep(trials.rng.uniform(0.1, 0.8) * quiet.seconds)
    moved.write_text(jump, "ascii")
    trial.wrong += trials.differences(name, running.wait())
    trials.world.drop()
    return trial


def _slow_down(rng: random.Random) -> Any:
    return lambda *_: (
        s3_error("SlowDown", "Please reduce your request rate.", 503)
        if rng.random() < 0.15
        else None
    )


def _reset(rng: random.Random) -> Any:
    def disturb(*_: Any) -> None:
        if rng.random() < 0.1:
            raise DroppedError

    return disturb


def _cut(rng: random.Random, share: float) -> Any:
    """Bodies of GET that end early, by the length that was announced or beyond it."""

    def disturb(request: Any, passed: Any) -> Any:
        if request.method != "GET" or "list-type" in request.full_path or rng.random() > 0.15:
            return None
        answer = passed()
        answer.direct_passthrough = False
        body = answer.get_data()
        if answer.status_code not in (200, 206) or len(body) < 4:
            return answer
        answer.response = [body[: len(body) // 2]]
        answer.headers["Content-Length"] = str(max(1, int(len(body) * share)))
        return answer

    return disturb


def _stale(_: random.Random) -> Any:
    """Listings of the source that don't know the newest half of the objects yet."""

    def disturb(request: Any, passed: Any) -> Any:
        if (
            request.method != "GET"
            or not request.path.startswith("/logs")
            or "list-type" not in request.full_path
        ):
            return None
        answer = passed()
        head, *parts = answer.get_data(as_text=True).split("<Contents>")
        if len(parts) < 2:
            return answer
        tail = parts[-1].partition("</Contents>")[2]
        kept = parts[: len(parts) // 2]
        kept[-1] = kept[-1].partition("</Contents>")[0] + "</Contents>" + tail
        answer.set_data("<Contents>".join([head, *kept]))
        return answer

    return disturb


def _replaced(rng: random.Random) -> Any:
    """Objects that get another content right before they are read for the first time."""
    met: set[str] = set()
    s3 = boto3.client("s3")

    def disturb(request: Any, _: Any) -> None:
        path = request.path
        if request.method != "GET" or not path.startswith("/logs/") or not path.endswith(".gz"):
            return
        if path in met or rng.random() > 0.4:
            met.add(path)
            return
        met.add(path)
        s3.put_object(Bucket="logs", Key=unquote(path.removeprefix("/logs/")), Body=_other(path))

    return disturb


def _other(path: str) -> bytes:
    """Another content: an event of its own, by the object's name."""
    number = 700_000 + zlib.crc32(path.encode()) % 100_000
    return gzip.compress(logs.document([logs.record(number)]), mtime=0)


NETWORK: Final[dict[str, Any]] = {
    "503 SlowDown": _slow_down,
    "connection reset": _reset,
    "truncated body": lambda rng: _cut(rng, 1.0),
    "wrong Content-Length": lambda rng: _cut(rng, 0.75),
    "stale listing": _stale,
    "replaced before it is read": _replaced,
}
OF_FAULT: Final = {"replaced before it is read": frozenset(("log_files",))}
"""Tables that tell of a fault: the ledger keeps that an object was not what the listing said."""

ON_S3: Final[dict[str, tuple[str, ...]]] = {
    "ingest S3": ("ingest", "s3://logs/", "--since", "2026-02-01", "--lake", "lake"),
    "ingest S3 to S3": ("ingest", "s3://logs/", "--since", "2026-02-01", "--lake", "s3://lake/l"),
}


def network(trials: Trials, fault: str, name: str) -> Trial:
    """Disturb what S3 answers, then run again undisturbed."""
    trial = Trial(fault, name, True)
    world, words = trials.world, list(ON_S3[name])
    place = words[-1]
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as server:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # it tells of every reset
        env = environment(server.url)
        s3 = server.bucket("logs")
        server.bucket("lake")
        for path in sorted((world.base("none") / "logs").rglob("*.gz")):
            if fault == "stale listing" and path.name == "odd.json.gz":
                continue  # of two events that contradict each other the one that is read first counts
            key = str(path.relative_to(world.base("none") / "logs"))
            s3.put_object(Bucket="logs", Key=key, Body=path.read_bytes())
        home = world.home("none")
        server.disturb.append(NETWORK[fault](trials.rng))
        trial.wrong += clean(world.forks.run(words, home, env=env))
        server.disturb.clear()
        again = world.forks.run(words, home, env=env)
        quiet = world.forks.run([*words[:-1], f"{place}-quiet"], home, env=env)
        if again.code not in GOOD or quiet.code not in GOOD:
            trial.wrong.append(f"run again it ended with {again.code}: {again.said[-500:]}")
        else:
            found = contents(_at(home, place), but=OF_FAULT.get(fault, frozenset()))
            trial.wrong += [
                f"{table} has {found[table]}, not {was}"
                for table, was in contents(_at(home, f"{place}-quiet")).items()
                if table in found and found[table] != was
            ]
        world.drop()
    return trial


def _at(home: Path, place: str) -> str:
    return place if place.startswith("s3://") else str(home / place)
