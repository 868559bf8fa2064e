"""Rules: which there are, and which of them can't run and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ctanalytics.errors import RulesError
from ctanalytics.settings import Settings
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import is_named, placeholders, places
from ctanalytics.sigma.rule import Rule


def listing(
    directories: Sequence[str | Path] = (), *, settings: Settings | None = None
) -> list[Rule]:
    """Return all rules of folders and files; of the settings' and the packaged when none is named.

    Raises:
        RulesError: there is no such folder or file.
    """
    asked = (settings or Settings()).rules
    return load(places(directories, asked), placeholders(asked))


def named(rules: Sequence[Rule], name: str) -> Rule:
    """Return the rule that a person means.

    Raises:
        RulesError: there is none, or there are several.
    """
    found = [rule for rule in rules if is_named(rule, name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise RulesError(
            f"{len(found)} rules go by the name {name!r}",
            where=", ".join(f"{rule.path}:{rule.line}" for rule in found[:5]),
            mend="name it by its id or its path",
        )
    raise RulesError(
        f"there is no rule {name!r}",
        where=", ".join(sorted({str(Path(rule.path).parent) for rule in rules})[:3]),
        mend="`ctanalytics rules list` shows them all; name one by id, name or path",
    )
