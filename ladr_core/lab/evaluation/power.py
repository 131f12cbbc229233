"""How small a difference a paired benchmark can find.

Two samplers draw the same prompts with the same seeds. A pair counts only where one passes and the other fails; with a
share d of such pairs among n, the standard error of the difference is at most sqrt(d / n).
"""

from __future__ import annotations

import math

SHARE_OF_UNEQUAL_PAIRS = 0.25  # what samplers of the shapes world had: .2 to .3
_SIGNIFICANT, _POWER = 1.959964, 0.841621  # two-sided 5 %, found in 80 % of the benchmarks


def detectable_difference(pairs: int, unequal: float = SHARE_OF_UNEQUAL_PAIRS) -> float:
    """Smallest true difference (0 ... 1) that a benchmark of so many pairs finds in 80 % of the cases."""
    return (_SIGNIFICANT + _POWER) * math.sqrt(unequal / pairs) if pairs else math.inf


def pairs_needed(difference: float, unequal: float = SHARE_OF_UNEQUAL_PAIRS) -> int:
    """Pairs with which a true difference (0 ... 1) is found in 80 % of the cases."""
    return math.ceil(((_SIGNIFICANT + _POWER) / difference) ** 2 * unequal)


def detectable_of_interval(low: float, high: float) -> float:
    """The same from the 95 % interval that was measured, whatever made it as wide as it is."""
    return (_SIGNIFICANT + _POWER) * (high - low) / (2 * _SIGNIFICANT)


def power_sentence(pairs: int, unequal: float = SHARE_OF_UNEQUAL_PAIRS) -> str:
    """What a benchmark of so many pictures per configuration can tell."""
    found = 100 * detectable_difference(pairs, unequal)
    return (
        f"power: with {pairs} pictures per configuration, and {100 * unequal:.0f} % of the pairs unequal, a difference "
        f"of {found:.1f} points is found in 80 % of the cases; 3 points need {pairs_needed(0.03, unequal)} pictures"
    )
