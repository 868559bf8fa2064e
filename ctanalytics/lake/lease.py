"""Leases: who works on something, known to be alive by a time that is renewed.

A lease is advice that spares double work. What must not happen twice rests on put-if-absent and
on commit numbers, never on a lease.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from ctanalytics.errors import LakeBusy, LakeError
from ctanalytics.lake.store import Store

TTL_SECONDS: Final = 60.0
_RENEW_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.2


def owner() -> dict[str, Any]:
    """Return who this process is, told apart from a later one with the same number."""
    pid = os.getpid()
    return {
        "id": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "processes": _processes(),
        "pid": pid,
        "started": _process_start(pid),
    }


def alive(holder: dict[str, Any], expires_at: float) -> bool:
    """Tell whether the holder of a lease may still be at work.

    Of a process of this machine, the machine knows, whatever a clock says that somebody may have
    put forward; elsewhere, and in another container, only the time tells.
    """
    here = (socket.gethostname(), _processes())
    if (holder.get("host"), holder.get("processes", here[1])) != here:
        return time.time() < expires_at
    started = _process_start(int(holder.get("pid", 0)))
    return started is not None and started == holder.get("started")


def _processes() -> str:
    """What numbers of processes here are unique in: containers have their own, and each boot."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return ""  # no Linux


def _process_start(pid: int) -> str | None:
    """When a process began, as the kernel tells it; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):  # noqa: PTH112
            return None
    except OSError:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "unknown"


@dataclass
class _Seen:
    """Another's lease while it is waited for: not renewed for as long as it lasts, it is nobody's.

    By our own measure of time: its end was written by another clock, perhaps one that went wrong.
    """

    data: bytes = b""
    since: float = 0.0

    def unchanged(self, data: bytes) -> bool:
        """Tell whether it has been the same for its whole time."""
        now = time.monotonic()
        if data != self.data:
            self.data, self.since = data, now
        return now - self.since >= TTL_SECONDS + _RENEW_SECONDS


@dataclass
class Lease:
    """A held lease; renewed by a thread until released."""

    store: Store
    name: str
    holder: dict[str, Any]
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _renewer: threading.Thread | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """Where it lies in the lake."""
        return f"leases/{self.name}.json"

    @classmethod
    def acquire(cls, store: Store, name: str, *, wait_seconds: float = 600.0) -> Self:
        """Take a lease, waiting for a live holder, and remove what killed ones left half written.

        Raises:
            LakeBusy: it was held all the time.
        """
        until = time.monotonic() + wait_seconds
        lease = cls(store, name, owner())
        seen = _Seen()
        while not lease._try(seen):
            if time.monotonic() >= until:
                raise LakeBusy(
                    f"another process has held the lease {name} for {wait_seconds:.0f} s",
                    where=f"{store.uri}/{lease.path}",
                    mend="wait until it ends, or stop it",
                )
            time.sleep(_POLL_SECONDS)
        lease._renewer = threading.Thread(target=lease._renew, daemon=True)
        lease._renewer.start()
        store.sweep()
        return lease

    def _try(self, seen: _Seen) -> bool:
        if self.store.put_once(self.path, self._content()):
            return True
        try:
            data = self.store.read(self.path)
            found = json.loads(data)
            if found["holder"]["id"] == self.holder["id"]:
                return True
            if alive(found["holder"], found["expires_at"]) and not seen.unchanged(data):
                return False
        except FileNotFoundError:
            return self.store.put_once(self.path, self._content())
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not a lease that anyone could hold
        self.store.delete(self.path)
        return self.store.put_once(self.path, self._content())

    def _content(self) -> bytes:
        return json.dumps({"holder": self.holder, "expires_at": time.time() + TTL_SECONDS}).encode()

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_SECONDS):
            # A lease outlives three renewals that fail.
            with contextlib.suppress(LakeError):
                if self._is_ours():
                    self.store.write(self.path, self._content())

    def _is_ours(self) -> bool:
        """Whether nobody took it over, as from one who slept for longer than it lasts."""
        try:
            return bool(json.loads(self.store.read(self.path))["holder"]["id"] == self.holder["id"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False

    def release(self) -> None:
        """Give it up."""
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join()  # a renewal under way would bring the lease back
        if self._is_ours():
            self.store.delete(self.path)
