"""Small files that a lake keeps beside its tables, named by date: the newest few of each kind."""

from __future__ import annotations

from typing import Final

from ctanalytics.lake.store import Store

KEPT: Final = 14
"""Files of one folder and one ending; older ones go."""


def keep_newest(store: Store, path: str, content: bytes) -> None:
    """Write a file, unless it says the same already, and drop the oldest of its like.

    Args:
        path: folder/DATE.ending.
    """
    if not (store.exists(path) and store.read(path) == content):
        store.write(path, content)
    folder, _, name = path.rpartition("/")
    ending = name[name.rfind(".") :]
    like = sorted(one for one in store.list(f"{folder}/") if one.endswith(ending))
    store.delete_all(like[:-KEPT])
