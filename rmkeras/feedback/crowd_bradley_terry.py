"""A Bradley-Terry model that knows that some raters can't be trusted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rmkeras.feedback.answers import number, same_length


@dataclass(frozen=True, slots=True)
class CrowdBradleyTerryFit:
    """What `crowd_bradley_terry` found.

    Attributes:
        items: The items, in the order of first appearance.
        raters: The raters, likewise.
        scores: Score of each item `(items,)`, mean 0; the log-odds of a
            comparison by a perfect rater is a difference of two.
        reliability: Probability that each rater says what the scores say rather
            than its opposite `(raters,)`; 0.5 is a coin.
        objective: Log-posterior after each step; it never falls.
    """

    items: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    scores: np.ndarray
    reliability: np.ndarray
    objective: tuple[float, ...]

    @property
    def weights(self) -> dict[Hashable, float]:
        """How far each rater is above a coin: 1 for perfect, 0 for a coin or worse."""
        above = np.clip(2 * self.reliability - 1, 0, 1)
        return dict(zip(self.raters, above.tolist(), strict=True))

    def probability(self, first: Hashable, second: Hashable) -> float:
        """Probability that one item is better than another.

        Args:
            first: An item.
            second: Another.

        Returns:
            The sigmoid of the difference of their scores.
        """
        at = {name: i for i, name in enumerate(self.items)}
        return float(_sigmoid(self.scores[at[first]] - self.scores[at[second]]))


def crowd_bradley_terry(
    winners: Sequence[Hashable],
    losers: Sequence[Hashable],
    raters: Sequence[Hashable],
    shares: Sequence[float] | None = None,
    score_scale: float = 3.0,
    prior_right: float = 4.0,
    prior_wrong: float = 1.0,
    steps: int = 300,
    tolerance: float = 1e-8,
) -> CrowdBradleyTerryFit:
    r"""Ranks items by comparisons of raters who are not all reliable.

    Rater $k$ says the better of two with probability $\eta_k$ and the opposite
    otherwise:

    $$ P(i \succ_k j) = \eta_k\, \sigma(s_i - s_j) + (1 - \eta_k)\, \sigma(s_j - s_i).
    $$

    With $s \sim N(0, \tau^2)$ and $\eta_k$ with $a$ right and $b$ wrong
    pseudo-answers, EM climbs the log-posterior. E: the probability that an answer
    was meant as it was said, $g = \eta_k \sigma(d) / P$ with $d$ the difference of
    the two scores. M: $\eta_k = (a + \sum g) / (a + b + n_k)$, and Newton's method
    for $s$ on a logistic regression in which each answer counts $g$ as said and
    $1 - g$ reversed. Steps that would overshoot are halved, so the posterior never
    falls.

    The items have to be connected: a text that is compared once, with a text that
    is compared once, tells nothing about the rater. For such pairs several people
    answer the same pair; see `dawid_skene`.

    Args:
        winners: The better item of each comparison; any names.
        losers: The other one.
        raters: Who compared.
        shares: How much of each answer was for the winner, from 0 to 1; 0.5 for a
            tie. 1 by default.
        score_scale: The prior's standard deviation of the scores.
        prior_right: Pseudo-answers $a$.
        prior_wrong: Pseudo-answers $b$, fewer than $a$: without that, all scores
            and all raters could be turned round.
        steps: Most steps of EM.
        tolerance: Stop when a step adds less than this times the number of
            comparisons.

    Returns:
        A `CrowdBradleyTerryFit`.

    Raises:
        ValueError: If the sequences differ in length or are empty, an item is
            compared with itself, a share is out of range, or a prior is not
            positive with `prior_right` the larger.

    Example:

    >>> games = [("a", "b"), ("b", "c"), ("a", "c")] * 4
    >>> said = [(*g, "Ada") for g in games] + [(*g, "Bob") for g in games]
    >>> said += [(*reversed(g), "Cy") for g in games]
    >>> fit = crowd_bradley_terry(*zip(*said))
    >>> fit.items[int(fit.scores.argmax())], fit.weights["Cy"]
    ('a', 0.0)

    Source: Chen, Bennett, Collins-Thompson and Horvitz, "Pairwise ranking
    aggregation in a crowdsourced setting" (2013), equation 3; there by gradient
    steps, here by EM.
    """
    same_length(winners=winners, losers=losers, raters=raters, shares=shares)
    if not len(winners):
        raise ValueError("no comparisons; expected at least one")
    if not 0 < prior_wrong < prior_right or score_scale <= 0:
        raise ValueError(
            f"prior_right is {prior_right:g}, prior_wrong {prior_wrong:g}, score_scale "
            f"{score_scale:g}; expected positive numbers, prior_right the largest prior"
        )
    names, codes = number([*winners, *losers])
    first, second = codes[: len(winners)], codes[len(winners) :]
    if (same := np.flatnonzero(first == second)).size:
        raise ValueError(
            f"comparison {same[0]} is of {winners[same[0]]!r} with itself; expected "
            "two different items"
        )
    people, rater = number(raters)
    share = np.ones(len(first)) if shares is None else np.asarray(shares, "float64")
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("a share is outside 0 to 1; expected the winner's share")
    # A share is two answers, one each way.
    win = np.concatenate([first, second])
    lose = np.concatenate([second, first])
    who = np.concatenate([rater, rater])
    weight = np.concatenate([share, 1 - share])
    keep = weight > 0
    problem = _Problem(
        win[keep], lose[keep], who[keep], weight[keep], len(names), len(people),
        score_scale, (prior_right, prior_wrong),
    )  # fmt: skip
    scores = np.zeros(len(names))
    eta = np.full(len(people), prior_right / (prior_right + prior_wrong))
    # At s = 0 the answers say nothing about raters; the scores move first.
    history = [problem.objective(scores, eta)]
    for _ in range(steps):
        meant = problem.meant(scores, eta)
        scores = problem.newton(scores, meant)
        eta = problem.reliability(problem.meant(scores, eta))
        history.append(problem.objective(scores, eta))
        if history[-1] - history[-2] < tolerance * len(first):
            break
    return CrowdBradleyTerryFit(
        names, people, scores - scores.mean(), eta, tuple(history)
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    win: np.ndarray
    lose: np.ndarray
    rater: np.ndarray
    weight: np.ndarray
    items: int
    raters: int
    scale: float
    prior: tuple[float, float]

    def _gap(self, scores):
        return scores[self.win] - scores[self.lose]

    def meant(self, scores, eta):
        """Probability that each answer was meant as it was said."""
        p = _sigmoid(self._gap(scores))
        as_said = eta[self.rater] * p
        return as_said / (as_said + (1 - eta[self.rater]) * (1 - p))

    def reliability(self, meant):
        a, b = self.prior
        right = np.bincount(self.rater, self.weight * meant, minlength=self.raters)
        n = np.bincount(self.rater, self.weight, minlength=self.raters)
        return (a + right) / (a + b + n)

    def objective(self, scores, eta):
        a, b = self.prior
        p, e = _sigmoid(self._gap(scores)), eta[self.rater]
        said = self.weight * np.log(e * p + (1 - e) * (1 - p))
        prior = a * np.log(eta).sum() + b * np.log1p(-eta).sum()
        return float(said.sum() + prior - (scores**2).sum() / (2 * self.scale**2))

    def _expected(self, scores, meant):
        d = self._gap(scores)
        said = -meant * np.logaddexp(0, -d) - (1 - meant) * np.logaddexp(0, d)
        return (self.weight * said).sum() - (scores**2).sum() / (2 * self.scale**2)

    def newton(self, scores, meant):
        """A step of Newton's method on the expected log-posterior, never down."""
        p = _sigmoid(self._gap(scores))
        pull = self.weight * (meant - p)
        gradient = np.bincount(self.win, pull, minlength=self.items)
        gradient -= np.bincount(self.lose, pull, minlength=self.items)
        gradient -= scores / self.scale**2
        stiff = self.weight * p * (1 - p)
        hessian = np.zeros((self.items, self.items))
        np.add.at(hessian, (self.win, self.lose), -stiff)
        hessian += hessian.T
        hessian[np.diag_indices(self.items)] -= hessian.sum(axis=1)
        hessian[np.diag_indices(self.items)] += 1 / self.scale**2
        step = np.linalg.solve(hessian, gradient)
        before = self._expected(scores, meant)
        for _ in range(30):
            if self._expected(scores + step, meant) >= before:
                return scores + step
            step = step / 2
        return scores


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))
