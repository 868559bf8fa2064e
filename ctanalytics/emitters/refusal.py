"""What an error of a whole call means for each alert that it carried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctanalytics.aws_errors import explain
from ctanalytics.emitters.base import Outcome

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


def refused_whole(error: ClientError, *, alone: bool) -> Outcome:
    """Judge an error of a call for its alerts, all of which share the outcome.

    Args:
        alone: the call carried a single alert, so that this one is at fault.

    Raises:
        ClientError: the error itself, where it concerns the target and not what was sent.
    """
    found = explain(error)
    if found.kind == "throttled":
        return Outcome("retry", found.what)
    if found.kind != "other":
        raise error
    return Outcome("refused" if alone else "apart", found.what)
