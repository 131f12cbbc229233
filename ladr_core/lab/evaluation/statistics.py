"""Rates with intervals: Wilson for one category, bootstrap over captions for means of categories and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
_SEED = 2603


@dataclass(frozen=True)
class Rate:
    """A value between 0 and 1 (or a difference of two) with its 95 % interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        """Four decimals, for JSON."""
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def wilson(passed: int, asked: int) -> Rate:
    """Share of successes with Wilson's 95 % interval."""
    if asked == 0:
        return Rate(math.nan, 0.0, 1.0)
    z, share = 1.959964, passed / asked
    middle = (share + z * z / (2 * asked)) / (1 + z * z / asked)
    half = z / (1 + z * z / asked) * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half))


def mean_of_categories(outcomes: Mapping[str, Mapping[str, Sequence[float]]]) -> Rate:
    """Mean over categories of the mean outcome, with a 95 % bootstrap interval.

    outcomes: category -> caption -> one number per picture (1 = passed; or a difference of two samplers, paired). The
    bootstrap draws captions, all pictures of one together, as they resemble each other.
    """
    rng = np.random.default_rng(_SEED)
    value, drawn = 0.0, np.zeros(RESAMPLES)
    for captions in outcomes.values():
        sums = np.array([np.sum(pictures) for pictures in captions.values()], dtype=float)
        counts = np.array([len(pictures) for pictures in captions.values()], dtype=float)
        chosen = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
        value += sums.sum() / counts.sum() / len(outcomes)
        drawn += sums[chosen].sum(1) / counts[chosen].sum(1) / len(outcomes)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Rate(float(value), float(low), float(high))
