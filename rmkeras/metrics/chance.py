"""Agreement of raters beyond what chance would give: kappa and alpha."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

LEVELS = ("nominal", "ordinal", "interval")
"""What the numbers of a scale mean, as `krippendorff_alpha` takes it."""


def cohen_kappa(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    weights: str | None = None,
) -> float:
    r"""Agreement of two raters, corrected for chance.

    $$ \kappa = \frac{p_o - p_e}{1 - p_e}, \qquad
    p_e = \sum_c p_{1c}\, p_{2c} $$

    with $p_o$ the share of items on which both say the same and $p_{rc}$ the
    share of label $c$ among the answers of rater $r$. It is 1 for full
    agreement, 0 for what two people would reach who each kept their own habits
    and threw dice; a left-right comparison answered "left" by both all the time
    has no kappa, however well they agree.

    Args:
        first: One rater's answer to each item; None or NaN where there is none.
        second: The other's, in the same order.
        weights: None counts every disagreement alike, `"linear"` and
            `"quadratic"` by how far apart two numbers are.

    Returns:
        The kappa over the items that both answered; NaN if both gave one and the
        same answer throughout, because there is nothing to agree about.

    Raises:
        ValueError: If the lists differ in length, no item has both answers, or
            `weights` is something else.

    Example:

    >>> from rmkeras.metrics import cohen_kappa
    >>> first = ["left", "left", "right", None]
    >>> round(cohen_kappa(first, ["left", "right", "right", "tie"]), 3)
    0.4

    Source: Cohen, "A coefficient of agreement for nominal scales" (1960) and
    "Weighted kappa" (1968).
    """
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f"weights is {weights!r}; expected None, linear or quadratic")
    if len(first) != len(second):
        raise ValueError(
            f"cohen_kappa needs two answers an item; got {len(first)} and {len(second)}"
        )
    both = [
        (a, b)
        for a, b in zip(first, second, strict=True)
        if not _missing(a) and not _missing(b)
    ]
    if not both:
        raise ValueError("cohen_kappa needs an item that both raters answered")
    # Weights need the order of numbers; other labels are sorted by their look.
    values = {v for pair in both for v in pair}
    numbers = all(isinstance(v, (int, float, np.number)) for v in values)
    if weights and not numbers:
        raise ValueError("weighted kappa needs numbers, not names")
    order = sorted(values, key=None if numbers else repr)
    if len(order) == 1:
        return float("nan")
    at = {value: i for i, value in enumerate(order)}
    table = np.zeros((len(order), len(order)))
    for a, b in both:
        table[at[a], at[b]] += 1 / len(both)
    if weights is None:
        cost = 1.0 - np.eye(len(order))
    else:
        gap = np.abs(np.subtract.outer(order, order)).astype("float64")
        cost = gap if weights == "linear" else gap**2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0))
    return float(1 - (cost * table).sum() / (cost * chance).sum())


def krippendorff_alpha(
    answers: Sequence[Sequence[Hashable | None]], level: str = "nominal"
) -> float:
    r"""Agreement of any number of raters, with answers missing, on any scale.

    $$ \alpha = 1 - \frac{D_o}{D_e} = 1 - (n - 1)
    \frac{\sum_{c,k} o_{ck}\,\delta_{ck}^2}{\sum_{c,k} n_c n_k\,\delta_{ck}^2} $$

    $o_{ck}$ counts pairs of answers $c$ and $k$ to one item, each item's pairs
    divided by its number of answers less one; $n_c$ counts the answers $c$ that
    have a partner and $n$ all of these. $\delta_{ck}^2$ is 1 for different
    nominal labels, $(c - k)^2$ on an interval scale, and on an ordinal one the
    square of how many answers lie between $c$ and $k$. 1 is full agreement, 0
    chance, below 0 worse than chance. Krippendorff takes 0.8 as good and 0.667 as
    the least for tentative conclusions.

    Args:
        answers: For each item its answers, in any order and number; None or NaN
            is no answer. Items with fewer than two answers count for nothing.
        level: `"nominal"` for labels, `"ordinal"` or `"interval"` for numbers.

    Returns:
        The alpha; NaN if all answers are the same, because nothing varies.

    Raises:
        ValueError: If no item has two answers, the level is unknown, or a number
            is needed and something else was found.

    Example:

    >>> from rmkeras.metrics import krippendorff_alpha
    >>> krippendorff_alpha([["a", "a"], ["b", "b"], ["a", "b"], ["b", None]])
    0.4444444444444444

    Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; expected one of {', '.join(LEVELS)}")
    items = [[v for v in item if not _missing(v)] for item in answers]
    items = [item for item in items if len(item) > 1]
    if not items:
        raise ValueError(
            "krippendorff_alpha needs an item with at least two answers; got "
            f"{len(answers)} items and none has"
        )
    # In the order of the answers: a set's order changes from run to run.
    values = dict.fromkeys(v for item in items for v in item)
    if level != "nominal":
        for value in values:
            if not isinstance(value, (int, float, np.number)):
                raise ValueError(f"level {level} needs numbers; found {value!r}")
        order = sorted(values)
    else:
        order = list(values)
    at = {value: i for i, value in enumerate(order)}
    coincidences = np.zeros((len(order), len(order)))
    for item in items:
        codes = [at[v] for v in item]
        counts = np.bincount(codes, minlength=len(order)).astype("float64")
        pairs = np.outer(counts, counts) - np.diag(counts)
        coincidences += pairs / (len(item) - 1)
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    distance = _distance(order, totals, level)
    expected = (np.outer(totals, totals) * distance).sum()
    if expected == 0:
        return float("nan")
    return float(1 - (n - 1) * (coincidences * distance).sum() / expected)


def _distance(order, totals: np.ndarray, level: str) -> np.ndarray:
    if level == "nominal":
        return 1.0 - np.eye(len(order))
    if level == "interval":
        place = np.asarray(order, "float64")
    else:
        # Answers below, and half of those at, a value: two places differ by the
        # answers between them, each end counted half.
        place = np.cumsum(totals) - totals / 2
    return np.subtract.outer(place, place) ** 2


def _missing(value) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and value != value)
