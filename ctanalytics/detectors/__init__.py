"""What finds anomalies: DETECTORS is the one list, and its order is the report's order."""

from __future__ import annotations

from typing import Final

from ctanalytics.detectors.base import Context, Detector, DetectorResult, Window
from ctanalytics.errors import UsageError


def _call_rate(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.call_rate import call_rate

    return call_rate(context, window)


def _error_rate(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.error_rate import error_rate

    return error_rate(context, window)


def _isolation_forest(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.isolation_forest import isolation_forest

    return isolation_forest(context, window)


def _novelty(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.novelty import novelty

    return novelty(context, window)


def _sigma(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.sigma import sigma

    return sigma(context, window)


def _silence(context: Context, window: Window) -> DetectorResult:
    from ctanalytics.detectors.silence import silence

    return silence(context, window)


# Each is imported when it runs: numpy and scikit-learn take a second that `--help` must not pay.
DETECTORS: Final[dict[str, Detector]] = {
    "call_rate": _call_rate,
    "error_rate": _error_rate,
    "isolation_forest": _isolation_forest,
    "novelty": _novelty,
    "silence": _silence,
    "sigma": _sigma,
}

DEFAULT: Final = ("call_rate", "error_rate", "isolation_forest", "novelty", "silence")
"""Those that run when none is named: the ones that share the budget of false pages."""


def detector(name: str) -> Detector:
    """Return a detector by its name.

    Raises:
        UsageError: there is none of this name; the message lists all.
    """
    if name not in DETECTORS:
        raise UsageError(
            f"there is no detector {name!r}",
            where="--detector",
            mend=f"use one of {', '.join(DETECTORS)}",
        )
    return DETECTORS[name]
