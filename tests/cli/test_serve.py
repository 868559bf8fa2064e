"""`ctanalytics serve` as a process: it prints its address, answers, and ends by Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from ctanalytics.lake.lake import Lake

_START = "from ctanalytics.cli.main import run; run()"


def test_it_prints_where_it_listens_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    Lake.create(tmp_path / "lake")
    command = [sys.executable, "-c", _START, "serve", "--lake", "lake", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(url + "style.css") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read().endswith("stopped\n")
