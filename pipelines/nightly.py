"""The night's work as a script to change: the steps of `ctanalytics nightly`, and what you add.

    python pipelines/nightly.py ctanalytics.toml

Exit codes as the command's: 0 done, 1 failed, 2 usage, 3 done in part.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ctanalytics
from ctanalytics import settings as settings_module
from ctanalytics.cli import console
from ctanalytics.cli.nightly import conclude, structure, tell
from ctanalytics.errors import CtanalyticsError


def main(file: Path) -> int:
    """Run the night by a settings file, and tell its steps as they end."""
    settings = settings_module.load(file=file)
    console.shared.log_format, console.shared.quiet = settings.log_format, settings.quiet
    structure(sys.stderr.isatty())
    result = ctanalytics.nightly(settings, report=tell)
    conclude(result)
    return result.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "ctanalytics.toml")))
    except CtanalyticsError as error:
        console.fail(error)
        sys.exit(error.exit_code)
