"""Which comparison to ask for next: where answers would teach most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RULES = ("bald", "variance", "margin", "entropy", "random")
"""What `acquisition` can go by."""


def acquisition(margins, rule: str = "bald") -> np.ndarray:
    r"""How much an answer to each pair is worth to an ensemble.

    Member $m$ says that the first text is better by $d_m$, so with probability
    $p_m = \sigma(d_m)$; $\bar p$ is the mean and $H$ the entropy of a coin.

    | rule | value |
    | --- | --- |
    | bald | $H(\bar p) - \frac1M \sum_m H(p_m)$: what the answer says of the members |
    | variance | the variance of $d_m$ |
    | margin | $-\lvert \bar d \rvert$: how close the two texts are |
    | entropy | $H(\bar p)$ |
    | random | 0 |

    A pair can be hard for two reasons. The members may disagree: they have not
    learned it yet, and an answer helps. Or they agree that it is a toss-up: people
    disagree too, and an answer is a coin. Margin and entropy can't tell these
    apart and ask for coins; bald asks for what is not known.

    Args:
        margins: `(members, pairs)`, or `(pairs,)` of a single model, for which
            only margin and entropy say anything.
        rule: One of `RULES`.

    Returns:
        A value for each pair `(pairs,)`; larger is better.

    Raises:
        ValueError: If the rule is unknown, or needs members and there is one.

    Example:

    >>> known, toss_up, unknown = [4, 4], [0, 0], [4, -4]
    >>> margins = np.transpose([known, toss_up, unknown])
    >>> int(acquisition(margins).argmax()), int(acquisition(margins[0], "margin").argmax())
    (2, 1)

    Source: Houlsby et al., "Bayesian active learning for classification and
    preference learning" (2011), equation 2, for bald; Lewis and Gale (1994) for
    the margin; Christiano et al. (2017), section 2.2.4, for the variance.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; expected one of {', '.join(RULES)}")
    d = np.atleast_2d(np.asarray(margins, "float64"))
    if rule in ("bald", "variance") and len(d) < 2:
        raise ValueError(
            f"{rule} needs two members or more; with one model use margin or entropy"
        )
    if rule == "random":
        return np.zeros(d.shape[1])
    if rule == "margin":
        return -np.abs(d.mean(axis=0))
    if rule == "variance":
        return d.var(axis=0)
    p = 1 / (1 + np.exp(-np.clip(d, -40, 40)))
    total = _entropy(p.mean(axis=0))
    return total if rule == "entropy" else total - _entropy(p).mean(axis=0)


def choose_pairs(
    margins,
    size: int,
    rule: str = "bald",
    features=None,
    pool: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Chooses a batch of pairs to ask people about.

    The best `size` pairs are often the same question asked in other words. So of
    the best `pool` times `size` pairs one after the other is taken at random with
    chances in proportion to its value times the squared distance, in what the
    model sees, to the nearest pair that is in the batch already.

    Args:
        margins: See `acquisition`.
        size: Pairs in the batch.
        rule: See `acquisition`.
        features: What tells pairs apart `(pairs, d)`, such as the difference of
            the two texts' vectors; without them the best pairs are taken as they
            are.
        pool: Candidates for each place.
        seed: Decides among equals, and the draws.

    Returns:
        Positions of at most `size` different pairs, the first to be asked first.

    Raises:
        ValueError: As `acquisition` does, or if `size` is below 1.

    Example:

    >>> margins = np.array([[3.0, 3.0, 0.1], [-3.0, -3.0, 0.2]])
    >>> choose_pairs(margins, 2, features=np.array([[1.0], [1.0], [5.0]])).tolist()[1:]
    [2]

    Source: Arthur and Vassilvitskii, "k-means++" (2007), for the draw; Ash et al.,
    "Deep batch active learning by diverse, uncertain gradient lower bounds"
    (2020), for its use in a batch.
    """
    if size < 1:
        raise ValueError(f"size is {size}; expected 1 or more")
    value = acquisition(margins, rule)
    rng = np.random.default_rng(seed)
    size = min(size, len(value))
    # Equal values in random order, so that a file's order decides nothing.
    order = np.lexsort((rng.random(len(value)), -value))
    if features is None or rule == "random":
        return order[:size]
    best = order[: size * pool]
    x = np.asarray(features, "float64")[best]
    # From 0 for the worst candidate, whatever the rule's unit.
    worth = value[best] - value[best].min()
    worth = worth / (worth.max() or 1) + 1e-6
    chosen = [int(rng.choice(len(best), p=worth / worth.sum()))]
    distance = ((x - x[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < size:
        chance = worth * distance
        chance[chosen] = 0
        if chance.sum() == 0:  # Only copies are left.
            chance = worth.copy()
            chance[chosen] = 0
        chosen.append(int(rng.choice(len(best), p=chance / chance.sum())))
        distance = np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
    return best[chosen]


def pair_margins(
    model, firsts: Sequence[str], seconds: Sequence[str], prompts=None
) -> np.ndarray:
    """Scores pairs with a reward model or with every member of an ensemble.

    Args:
        model: A `RewardModel` or a `RewardEnsemble`.
        firsts: One text of each pair.
        seconds: The other one.
        prompts: What they answer, or None.

    Returns:
        By how much the first text is better `(members, pairs)`; one row for a
        single model.

    Example:

    >>> class Length:
    ...     def score(self, texts, prompts=None):
    ...         return np.array([len(t) for t in texts])
    >>> pair_margins(Length(), ["long one"], ["short"])
    array([[3]])
    """
    many = hasattr(model, "score_members")
    score = model.score_members if many else model.score
    texts = [*firsts, *seconds]
    scores = score(texts, prompts=None if prompts is None else [*prompts, *prompts])
    scores = np.atleast_2d(scores)  # (members, 2 * pairs)
    return scores[:, : len(firsts)] - scores[:, len(firsts) :]


def pair_priorities(
    model, items, rule: str | None = None, size: int | None = None, seed: int = 0
) -> dict[int, float]:
    """Priorities for a store's items, for `Store.set_priorities`.

    Args:
        model: A `RewardModel` or a `RewardEnsemble`.
        items: `Item`s; those that are not to be compared get none.
        rule: One of `RULES`; by default `"bald"` for an ensemble and `"margin"` for
            a single model.
        size: Only this many get a priority above 0; all if None.
        seed: Decides among equals.

    Returns:
        For each item's number its priority, from 1 for the first to be asked down
        to 0.

    Example:

    >>> from rmkeras.feedback.tasks import Item
    >>> class Length:
    ...     def score(self, texts, prompts=None):
    ...         return np.array([len(t) for t in texts])
    >>> items = [Item("compare", ("a", "bcdef"), id=1), Item("compare", ("a", "bc"), id=2)]
    >>> pair_priorities(Length(), items)
    {2: 1.0, 1: 0.5}
    """
    items = [item for item in items if item.task == "compare"]
    if not items:
        return {}
    firsts, seconds = zip(*(item.texts for item in items), strict=True)
    prompts = [item.prompt for item in items]
    margins = pair_margins(model, firsts, seconds, prompts if any(prompts) else None)
    rule = rule or ("bald" if len(margins) > 1 else "margin")
    order = choose_pairs(margins, len(items), rule, seed=seed)
    places = {items[n].id: 1 - place / len(items) for place, n in enumerate(order)}
    if size is not None:
        first = set(list(places)[:size])
        places = {i: p if i in first else 0.0 for i, p in places.items()}
    return places


def _entropy(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return -(p * np.log(p) + (1 - p) * np.log(1 - p))
