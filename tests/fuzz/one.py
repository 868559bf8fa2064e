"""Fuzz one target until its time is over: python -m tests.fuzz.one TARGET CORPUS [LIBFUZZER FLAGS].

Atheris watches which lines of ours an input reaches, and keeps those inputs that reach new ones.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ctanalytics", "sigma"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run libFuzzer over one target; it ends the process."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
