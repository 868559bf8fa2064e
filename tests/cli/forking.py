"""Loads what is slow to load, then forks a command for each line of its input and tells its exit code.

Modules of our own, but the few that most commands load, are left to the commands: what one forgets
to import is missing here too. Nothing here may start a thread: a fork would not have it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from typing import NoReturn

# See tests/conftest.py.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# What commands load inside of functions.
import altair  # noqa: E402, F401
import boto3  # noqa: E402, F401
import deltalake  # noqa: E402, F401
import duckdb  # noqa: E402, F401
import isal.igzip  # noqa: E402, F401
import msgspec  # noqa: E402, F401
import numpy  # noqa: E402, F401
import polars  # noqa: E402, F401
import pyarrow.compute  # noqa: E402
import pyarrow.dataset  # noqa: E402
import pyarrow.parquet  # noqa: E402, F401
import sqlglot  # noqa: E402, F401
import typer  # noqa: E402

import ctanalytics.app.ingest  # noqa: E402
import ctanalytics.app.running  # noqa: E402
import ctanalytics.engines.duckdb  # noqa: E402, F401
from ctanalytics.cli import main  # noqa: E402

typer.main.get_command(main.app)  # for which Typer loads a good deal more


def serve() -> None:
    """Answer until the input ends."""
    gc.freeze()  # no command walks through the libraries, or copies their pages to do so
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(*json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _become(
    arguments: list[str], cwd: str, env: dict[str, str], out: str, err: str, seconds: int
) -> NoReturn:
    """Be the command, in its folder and with its environment; never return."""
    signal.alarm(seconds)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate((os.devnull, out, err)):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    sys.argv = ["ctanalytics", *arguments]
    code = 1
    try:
        main.run()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(code)
