"""Fuzz every target for a while: python -m tests.fuzz.campaign [--seconds N] [--only TARGET ...].

An input that breaks a target is kept in tests/fuzz/found/TARGET/, where the ordinary tests run it
from then on. What else is worth keeping between campaigns lies in build/fuzz/. Prints one line a
target: how many inputs were tried, how many lines and branches of ours they reached, what broke.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys

from tests.fuzz.targets import FOUND, ROOT, TARGETS

LONGEST_SECONDS = 25
"""One input may take so long; a longer one is a defect as well."""
MOST_MEGABYTES = 2_048
SLICE_SECONDS = 120
"""A new process so often: what libFuzzer holds itself grows with the inputs it tries."""


def main() -> int:
    """Fuzz; 1 when something broke."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=360, help="for each target")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0, help="0: a new one each time")
    flags = parser.parse_args()
    print(f"{'target':<14}{'inputs':>12}{'reached':>10}{'seconds':>9}  broke", flush=True)
    return int(sum([fuzz(name, flags.seconds, flags.seed) for name in flags.only]) > 0)


def fuzz(name: str, seconds: int, seed: int) -> bool:
    """Fuzz one target, and tell how it went; whether it broke."""
    corpus = ROOT / "build" / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    words: set[bytes] = set()
    for data in TARGETS[name].seeds():
        (corpus / hashlib.sha256(data).hexdigest()).write_bytes(data)
        words.update(re.findall(rb"[A-Za-z_][\w.:-]{2,30}", data))
    vocabulary = corpus.parent / f"{name}.dict"
    vocabulary.write_bytes(b"".join(b'"%s"\n' % word for word in sorted(words)))
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    inputs = reached = 0
    failed = ""
    for seconds_left in range(seconds, 0, -SLICE_SECONDS):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus)),
                *(f"-max_total_time={min(SLICE_SECONDS, seconds_left)}", f"-seed={seed}"),
                *(f"-timeout={LONGEST_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}"),
                *(f"-artifact_prefix={found}{os.sep}", f"-dict={vocabulary}"),
                *("-max_len=65536", "-print_final_stats=1"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
        )
        inputs += _last(re.findall(r"stat::number_of_executed_units: (\d+)", done.stderr))
        reached = max(reached, _last(re.findall(r"cov: (\d+)", done.stderr)))
        if done.returncode:
            failed = done.stderr[-2_000:]
            break
    broke = ", ".join(path.name for path in sorted(set(found.iterdir()) - before))
    if not any(found.iterdir()):
        found.rmdir()
    print(
        f"{name:<14}{inputs:>12,}{reached:>10,}{seconds:>9}  {broke or failed or '-'}", flush=True
    )
    return bool(broke or failed)


def _last(found: list[str]) -> int:
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
