"""An S3 lake's files for DuckDB, whose own S3 reader is not linked into its package.

Arrow's S3 client reads the byte ranges that DuckDB asks for, so Parquet pruning works as on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.fs as arrow_fs
from fsspec.implementations.arrow import ArrowFSWrapper


class S3Files(ArrowFSWrapper):  # type: ignore[misc]
    """The fsspec filesystem to register in a DuckDB session; it answers to s3://."""

    protocol = ("s3",)
    cachable = False  # fsspec would hand out one instance for several lakes

    def __init__(
        self, options: Callable[[], dict[str, str] | None], ca_bundle: str | None = None
    ) -> None:
        """Take the source of the lake's storage options, whose keys may change with time."""
        self._options = options
        self._ca_bundle = ca_bundle
        self._made: tuple[dict[str, str], arrow_fs.S3FileSystem] | None = None
        super().__init__(fs=self.fs)

    @property
    def fs(self) -> arrow_fs.S3FileSystem:
        """Arrow's filesystem with the keys of now: a role's session may end before a query does."""
        options = self._options() or {}
        if self._made is None or self._made[0] != options:
            self._made = (options, _arrow_filesystem(options, self._ca_bundle))
        return self._made[1]

    @fs.setter
    def fs(self, _: object) -> None:
        """Ignore what the base class sets; see the getter."""

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(path).removeprefix("s3://").rstrip("/")


def _arrow_filesystem(options: dict[str, str], ca_bundle: str | None) -> arrow_fs.S3FileSystem:
    scheme, _, host = options["aws_endpoint"].partition("://")
    make: Any = arrow_fs.S3FileSystem  # its published types lack tls_ca_file_path
    found: arrow_fs.S3FileSystem = make(
        access_key=options["aws_access_key_id"],
        secret_key=options["aws_secret_access_key"],
        session_token=options.get("aws_session_token"),
        region=options["aws_region"],
        scheme=scheme,
        endpoint_override=host.rstrip("/"),
        proxy_options=options.get("proxy_url"),
        tls_ca_file_path=ca_bundle,
    )
    return found
