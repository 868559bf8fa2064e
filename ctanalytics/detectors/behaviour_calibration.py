"""From the scores of a principal's day to p-values, by days that the model did not learn from.

A score is counted among those of the held-out days as far as counting is safe; beyond the top three
in a thousand, which may hold incidents that nobody has found, a Weibull tail takes over. An exponential
one is a little too heavy for sums of logarithms, and much too heavy for a forest, whose scores have an
end: it pages at a third of the rate that it promises.

Source: the conformal p-value of Vovk et al., "Algorithmic Learning in a Random World"; the tail is
that of W. Weibull, "A Statistical Distribution Function of Wide Applicability", 1951, above the median.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors.calibration import MIN_POOL, RANKED_POOL

Floats = npt.NDArray[np.float64]

POWERS: Final = (1.1, 1.5)
"""Of the tails of the three families together and of the forest: how -ln p grows with the score above
the median. 1 is an exponential tail, 2 about a normal one."""
_TOP: Final = 0.997
_UNTRUSTED: Final = 2
"""Of a small pool, whose top three in a thousand are nobody: one incident would set the tail."""
_LEAST_SCALE: Final = 0.5
"""Of the tail, in units of a score: a pool of equal scores would make all else impossible."""
_LEAST_OF_POOL: Final = 0.02 * MIN_POOL
"""The same for a pool of n scores is at least this / n: few tell little of their tail."""
_TOGETHER: Final = 0.99
"""Where it is counted how often either opinion is strange, against how often one is."""


def surprise(scores: Floats, held_out: Floats, power: float) -> Floats:
    """Return -log10 p of scores: how often do held-out days reach them?

    Args:
        scores: larger = more abnormal.
        held_out: of normal days, in any order.
        power: of the tail, one of POWERS.

    Returns:
        Never negative; 0 for all when there are no held-out days. Under RANKED_POOL of them it is
        counted alone, and so at most log10(n + 1).
    """
    known = np.sort(held_out)
    count = len(known)
    if not count:
        return np.zeros(len(scores))
    reached = count - np.searchsorted(known, scores, side="left")
    # Half of itself: a whole one would promise at most, and keep short of it where rows are few.
    counted = -np.log((0.5 + reached) / (count + 1.0))
    if count >= RANKED_POOL:
        counted = np.where(scores > known[_top(count)], _beyond(scores, known, power), counted)
    return np.asarray(np.maximum(counted, 0.0) / math.log(10))


def _beyond(scores: Floats, known: Floats, power: float) -> Floats:
    """-ln p of scores above those that are counted; `known` are all, in ascending order."""
    count = len(known)
    place = _top(count)
    top = -math.log((count - place) / (count + 1))
    least = max(_LEAST_SCALE, _LEAST_OF_POOL / count)
    width = max(known[place] - known[count // 2], power * top * least)
    return np.asarray(top * (1.0 + np.maximum(scores - known[place], 0.0) / width) ** power)


def _top(count: int) -> int:
    """The place in an ascending pool above which its scores are not counted."""
    return min(int(_TOP * count), count - 1 - _UNTRUSTED)


def together(opinions: Floats, held_out: Floats) -> Floats:
    """Return -log10 p of rows by all opinions, any of which may page.

    Two opinions that always agree are one, and two that never do are two chances to page: as many
    as the held-out days show are taken off.

    Args:
        opinions: (rows, opinions) -log10 p.
        held_out: the same of the days by which they were calibrated.
    """
    most = opinions.max(axis=1)
    chances = 1.0
    if opinions.shape[1] > 1 and len(held_out):
        usual = float(np.quantile(held_out.max(axis=1), _TOGETHER))
        chances = min(max((1 - _TOGETHER) * 10**usual, 1.0), float(opinions.shape[1]))
    return np.asarray(np.maximum(most - math.log10(chances), 0.0))
