"""What an earlier run checked already, kept in a file so that a run may be broken off."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final, Self

from ctanalytics.errors import UsageError

_TABLE: Final = (
    "create table if not exists checked (bucket text, key text, expected text, etag text, "
    "verdict text, detail text, sha256 text, primary key (bucket, key, expected)) without rowid"
)
_COMMIT_EVERY: Final = 500


class Journal:
    """Log files by place and by what they must hold. Safe to use from many threads.

    A row counts only for the ETag that the file has now: one that was written since is read again.

    Raises:
        UsageError: the file can't be opened, or is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._pending = 0
        try:
            path.touch(mode=0o600, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False)
            self._database.execute(_TABLE)
            self._database.execute("select expected, etag from checked limit 1").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise UsageError(
                f"the file to resume from can't be used: {error}",
                where=str(path),
                mend="name another file, or one that an earlier run made",
            ) from error

    def find(self, bucket: str, key: str, expected: str, etag: str) -> tuple[str, str, str] | None:
        """Return verdict, detail and hash of a file that was checked; None when it was not."""
        with self._lock:
            row = self._database.execute(
                "select verdict, detail, sha256 from checked "
                "where bucket = ? and key = ? and expected = ? and etag = ?",
                (bucket, key, expected, etag),
            ).fetchone()
        return row and (str(row[0]), str(row[1]), str(row[2]))

    def keep(
        self, bucket: str, key: str, expected: str, etag: str, found: tuple[str, str, str]
    ) -> None:
        """Remember what was found about a file."""
        with self._lock:
            self._database.execute(
                "insert or replace into checked values (?, ?, ?, ?, ?, ?, ?)",
                (bucket, key, expected, etag, *found),
            )
            self._pending += 1
            if self._pending >= _COMMIT_EVERY:
                self._database.commit()
                self._pending = 0

    def close(self) -> None:
        """Keep what is not yet on disk."""
        with self._lock:
            self._database.commit()
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
