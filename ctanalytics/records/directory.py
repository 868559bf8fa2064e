"""Columns of the tables that name accounts and people; what logs give as bare ids."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ctanalytics.records.schema import TEXT, TIMESTAMP

ACCOUNT_DIRECTORY: Final = pa.schema(
    [
        pa.field("account_id", TEXT),
        pa.field("name", TEXT),
        pa.field("email", TEXT),
        pa.field("status", TEXT),
        pa.field("ou", TEXT),  # name of the unit that holds the account
        pa.field("ou_path", TEXT),  # names from the root down, parted by /
        pa.field("environment", TEXT),  # such as production; from a tag or a file
        pa.field("owner", TEXT),
        pa.field("tags", TEXT),  # JSON object
        pa.field("origin", TEXT),  # organizations, or the file's name
        pa.field("updated_at", TIMESTAMP),
    ]
)
"""Table `account_directory`: what a sync or a file said of an account; null is nothing said."""

USER_DIRECTORY: Final = pa.schema(
    [
        pa.field("user_id", TEXT),  # Identity Center's, as in onBehalfOf.userId
        pa.field("user_name", TEXT),
        pa.field("display_name", TEXT),
        pa.field("email", TEXT),
        pa.field("origin", TEXT),
        pa.field("updated_at", TIMESTAMP),
    ]
)
"""Table `user_directory`: names of Identity Center's users."""
