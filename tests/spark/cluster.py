"""A standalone Spark cluster on this machine: a master and two workers of one core each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyspark

ROOT = Path(__file__).parents[2]
CLASS = str(Path(pyspark.__file__).parent / "bin" / "spark-class")


@dataclass
class Cluster:
    """The running cluster."""

    folder: Path
    environment: Mapping[str, str]
    master: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_worker(self, name: str, core: int | None = None) -> None:
        """Start a worker, or start it again.

        Args:
            core: it and its executors run on this one alone; None: on any.
        """
        place = self.folder / name
        place.mkdir(exist_ok=True)
        arguments = ["--cores", "1", "--memory", "1g", "--work-dir", str(place)]
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._start(name, "worker.Worker", *arguments, self.master, before=pinned)

    def kill_worker(self, name: str) -> None:
        """End a worker with its executors, as the loss of a machine would."""
        worker = self.processes.pop(name)
        _kill(worker)

    def kill_executor(self) -> None:
        """End one executor; its worker stays and starts another."""
        for worker in self.processes.values():
            for process in psutil.Process(worker.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # the executors of tests before
                    if any("CoarseGrainedExecutor" in word for word in process.cmdline()):
                        os.kill(process.pid, signal.SIGKILL)
                        return
        raise AssertionError("no executor runs")

    def _start(self, name: str, kind: str, *arguments: str, before: Sequence[str] = ()) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, CLASS, f"org.apache.spark.deploy.{kind}", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def close(self) -> None:
        """End all of it."""
        for process in self.processes.values():
            _kill(process)


@contextmanager
def cluster(
    folder: Path,
    more: Mapping[str, str] | None = None,
    cores: Sequence[int | None] = (None, None),
) -> Iterator[Cluster]:
    """Start a cluster and wait until its master takes connections.

    Args:
        more: variables for all of its processes, such as where AWS is.
        cores: of the workers, each of which has one.
    """
    port = _free_port()
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        **(more or {}),
    }
    running = Cluster(folder, environment, f"spark://127.0.0.1:{port}")
    web = ["--webui-port", str(_free_port())]
    running._start("master", "master.Master", "--host", "127.0.0.1", "--port", str(port), *web)
    try:
        _wait_for(port)
        for number, core in enumerate(cores, 1):
            running.start_worker(f"worker-{number}", core)
        yield running
    finally:
        running.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the master of the cluster does not start")
