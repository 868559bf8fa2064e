"""Reads every template in every mode, and every policy of docs/, with cfn-lint:
python -m tests.deploy.lint.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ctanalytics.app.deploy import compose
from ctanalytics.app.deploy.kits import kit, kits

DOCS = Path(__file__).parents[2] / "docs"


def faults(name: str, mode: str) -> list[str]:
    """Return what cfn-lint has to say of a kit's template."""
    return linted(compose.template(kit(name), mode, {}))


def linted(template: str) -> list[str]:
    """Return what cfn-lint has to say of a template."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found = lint(template, config=ManualArgs(regions=["eu-west-1"]))
    return [f"{match.rule.id} {match.message} {match.path}" for match in found]


def policies() -> Iterator[tuple[str, str]]:
    """Yield pages with the policies that stand in them, each as a template of its own."""
    for page in sorted(DOCS.glob("*.md")):
        for text in re.findall(r"^```json\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
            try:
                policy = json.loads(text)
            except json.JSONDecodeError:
                continue  # an excerpt
            if isinstance(policy, dict) and "Statement" in policy:
                properties = {"PolicyDocument": policy}
                resource = {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}
                yield page.name, json.dumps({"Resources": {"Policy": resource}})


if __name__ == "__main__":
    told = [
        f"{one.name} {mode}: {fault}"
        for one in kits().values()
        if one.parts
        for mode in ("", *one.modes)
        for fault in faults(one.name, mode)
    ]
    told += [f"{page}: {fault}" for page, template in policies() for fault in linted(template)]
    sys.stderr.write("".join(f"{line}\n" for line in told))
    sys.exit(1 if told else 0)
