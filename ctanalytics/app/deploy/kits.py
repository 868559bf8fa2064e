"""Kits: what there is to deploy, as `deploy/kits.toml` says."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from ctanalytics.errors import UsageError

# Keys by the part that makes them; the rules of tampering name those of their own stack.
_KEYS: Final = {"log-key": "LogKey", "watch-key": "WatchKey", "lake": "LakeKey"}


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """One template, or a set of files, or both; there is one object of each."""

    name: str
    title: str
    parts: tuple[str, ...]
    """Of its template; none: it has files alone."""
    modes: dict[str, tuple[str, ...]]
    """The parts of its template for each mode it knows: existing-trail, existing-bucket or
    control-tower, which say what is there already, so that the template leaves it alone."""
    files: tuple[str, ...]
    next: tuple[str, ...]
    """Kits to deploy after it."""
    organization: bool
    stack_set: bool
    """It is meant for many accounts and regions, as a StackSet."""
    names: dict[str, str]
    """What its parts call by a name of its own, such as the account of the trail."""
    watch: tuple[str, ...]
    """Ids of the rules of tampering that its stack has, or "all"."""
    scopes: dict[str, dict[str, list[str]]]
    """What a mode adds to the things that these rules watch."""

    def parts_in(self, mode: str) -> tuple[str, ...]:
        """Return the parts of its template in a mode ("" for none).

        Raises:
            UsageError: the kit does not know the mode.
        """
        if not mode:
            return self.parts
        if mode not in self.modes:
            known = ", ".join(f"--{each}" for each in self.modes) or "none of these flags"
            raise UsageError(
                f"--{mode} does not apply to {self.name}", mend=f"{self.name} takes {known}"
            )
        return self.modes[mode]

    def keys_in(self, mode: str) -> tuple[str, ...]:
        """Return the logical ids of the KMS keys that its stack makes in a mode."""
        return tuple(_KEYS[part] for part in self.parts_in(mode) if part in _KEYS)


@cache
def kits() -> dict[str, Kit]:
    """Return all kits by name, in the order in which they are deployed."""
    raw = table("kits.toml")["kits"]
    return {
        name: _kit(name, entry)
        for name, entry in sorted(raw.items(), key=lambda item: item[1]["order"])
    }


def kit(name: str) -> Kit:
    """Return one kit.

    Raises:
        UsageError: there is none of that name.
    """
    known = kits()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        mend = "`ctanalytics deploy list` lists them"
        raise UsageError(
            f"there is nothing to deploy that is called {name!r}",
            mend=f"did you mean {near[0]}? {mend}" if near else mend,
        )
    return known[name]


@cache
def table(name: str) -> dict[str, Any]:
    """Return a TOML file of `deploy/`."""
    return tomllib.loads(text(name))


def text(name: str) -> str:
    """Return a file of `deploy/`, by its path there."""
    return resources.files("ctanalytics").joinpath("deploy", *name.split("/")).read_text("utf-8")


def _kit(name: str, entry: dict[str, Any]) -> Kit:
    return Kit(
        name=name,
        title=entry["title"],
        parts=tuple(entry.get("parts", ())),
        modes={mode: tuple(parts) for mode, parts in entry.get("modes", {}).items()},
        files=tuple(entry.get("files", ())),
        next=tuple(entry["next"]),
        organization=entry.get("organization", False),
        stack_set=entry.get("stack_set", False),
        names=entry.get("names", {}),
        watch=tuple(entry.get("watch", ())),
        scopes=entry.get("scopes", {}),
    )
