"""Reads every template in every mode with cfn-lint: python -m tests.deploy.lint."""

from __future__ import annotations

import sys

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit, kits


def faults(name: str, mode: str) -> list[str]:
    """Return what cfn-lint has to say of a kit's template."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found = lint(compose.template(kit(name), mode, {}), config=ManualArgs(regions=["eu-west-1"]))
    return [f"{match.rule.id} {match.message} {match.path}" for match in found]


if __name__ == "__main__":
    told = [
        f"{one.name} {mode}: {fault}"
        for one in kits().values()
        if one.parts
        for mode in ("", *one.modes)
        for fault in faults(one.name, mode)
    ]
    sys.stderr.write("".join(f"{line}\n" for line in told))
    sys.exit(1 if told else 0)
