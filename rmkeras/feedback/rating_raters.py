"""Ratings on a scale by raters who are kind or strict, careful or careless."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rmkeras.feedback.answers import Answers, same_length


@dataclass(frozen=True, slots=True)
class RatingRatersFit:
    """What `rating_raters` found.

    Attributes:
        items: The items, in the order of first appearance.
        raters: The raters, likewise.
        quality: Mean of each item's posterior `(items,)`.
        quality_std: Its standard deviation `(items,)`.
        bias: How much more than the others each rater gives `(raters,)`.
        noise: Standard deviation of each rater around that `(raters,)`.
        objective: Penalised log-likelihood after each step; it never falls.
    """

    items: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    quality: np.ndarray
    quality_std: np.ndarray
    bias: np.ndarray
    noise: np.ndarray
    objective: tuple[float, ...]

    @property
    def weights(self) -> dict[Hashable, float]:
        """Weight of one rating of each rater in an item's mean; the largest is 1."""
        precision = 1 / self.noise**2
        precision = precision / precision.max()
        return dict(zip(self.raters, precision.tolist(), strict=True))

    @property
    def ratings(self) -> dict[Hashable, float]:
        """The rating of each item."""
        return dict(zip(self.items, self.quality.tolist(), strict=True))


def rating_raters(
    items: Sequence[Hashable],
    raters: Sequence[Hashable],
    ratings: Sequence[float],
    prior_answers: float = 2.0,
    bias_scale: float = 0.5,
    steps: int = 200,
    tolerance: float = 1e-7,
) -> RatingRatersFit:
    r"""Estimates items' qualities with each rater's bias and noise.

    $$ y_{ij} = \mu_i + b_j + \varepsilon_{ij}, \qquad \mu_i \sim N(m_c, \tau^2),
    \quad \varepsilon_{ij} \sim N(0, \sigma_j^2) . $$

    The mean of an item then weighs its ratings by $1 / \sigma_j^2$, after taking
    each rater's bias off. A random clicker's $\sigma_j$ is as wide as the scale,
    so they count for little, without anybody having decided that they are one.
    $m_c$ is the mean of a group $c$ of items that raters connect: whether a class
    that rated other texts than yours was kinder or had better texts nobody can
    say, and the model takes it for better texts.

    Let $s^2$ be the variance within items of the rater in the middle. Priors: $b_j \sim N(0, (c
    s)^2)$ with $c$ = `bias_scale`, and $\sigma_j^2$ begins with `prior_answers`
    ratings of variance $s^2$; so nobody becomes infinitely reliable by agreeing a
    few times. EM with $\mu$ as what is hidden. E: the posterior of $\mu_i$, normal
    with precision $1/\tau^2 + \sum_j 1/\sigma_j^2$. M, one after the other:
    $b_j$, $\sigma_j^2$, $m_c$ and $\tau^2$. No step can lower the penalised
    likelihood.

    Args:
        items: The item of each rating.
        raters: The rater of each rating.
        ratings: The numbers.
        prior_answers: See above; above 0.
        bias_scale: See above; above 0.
        steps: Most steps of EM.
        tolerance: Stop when a step adds less than this times the number of
            ratings.

    Returns:
        A `RatingRatersFit`.

    Raises:
        ValueError: If the sequences differ in length or are empty, a rating is
            not finite, all ratings are the same, or a prior is not above 0.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> truth, spread = rng.normal(size=60), {"Ada": 0.3, "Bob": 0.5, "Cy": 3.0}
    >>> rows = [(i, name, t + rng.normal(0, s))
    ...         for i, t in enumerate(truth) for name, s in spread.items()]
    >>> weights = rating_raters(*zip(*rows)).weights
    >>> weights["Cy"] < 0.1
    True

    Source: the random-effects model of Raykar et al., "Learning from crowds"
    (2010), section 5, with a bias for each rater; conditional maximisation after
    Meng and Rubin (1993).
    """
    same_length(items=items, raters=raters, ratings=ratings)
    data = Answers.of(items, raters)
    y = np.asarray(ratings, "float64")
    if not np.isfinite(y).all():
        raise ValueError(
            f"the rating of answer {np.argmin(np.isfinite(y))} is no number"
        )
    if prior_answers <= 0 or bias_scale <= 0:
        raise ValueError(
            f"prior_answers is {prior_answers:g} and bias_scale {bias_scale:g}; "
            "expected both above 0"
        )
    means = data.per_item(y) / data.per_item(np.ones_like(y))
    spread = _typical_variance(data, y, means)
    if spread == 0:
        raise ValueError(f"all ratings are {y[0]:g}; nothing can be learned from them")
    fit = _Fit(data, y, prior_answers, spread, (bias_scale**2) * spread)
    return fit.run(means, steps, tolerance)


def _typical_variance(data: Answers, y: np.ndarray, means: np.ndarray) -> float:
    """Variance around the items' means of the rater in the middle.

    The middle one and not all together, because a few random clickers would
    otherwise set the standard for everybody.
    """
    square = (y - means[data.item]) ** 2
    each = data.per_rater(square) / data.per_rater(np.ones_like(y))
    freedom = max(len(y) - len(data.items), 1)
    return max(float(np.median(each)) * len(y) / freedom, 1e-3 * y.var())


@dataclass(slots=True)
class _Fit:
    data: Answers
    y: np.ndarray
    prior: float
    spread: float
    bias_variance: float

    def run(self, means, steps, tolerance) -> RatingRatersFit:
        data, y = self.data, self.y
        bias = np.zeros(len(data.raters))
        noise = np.full(len(data.raters), self.spread)  # variances
        group = data.groups()
        size = np.bincount(group)
        m = (np.bincount(group, means) / size)[group]  # (items,)
        tau = max(((means - m) ** 2).mean(), 1e-2 * self.spread)
        n = data.per_rater(np.ones_like(y))
        history: list[float] = []
        while True:
            mu, var = self.posterior(bias, noise, m, tau)
            history.append(self.objective(bias, noise, m, tau))
            done = len(history) > 1 and history[-1] - history[-2] < tolerance * len(y)
            if done or len(history) > steps:
                break
            left = y - mu[data.item]
            bias = data.per_rater(left) / (n + noise / self.bias_variance)
            square = (left - bias[data.rater]) ** 2 + var[data.item]
            noise = self.prior * self.spread + data.per_rater(square)
            noise /= self.prior + n
            m = (np.bincount(group, mu) / size)[group]
            # One pseudo-item, so that equal items do not end the division.
            tau = (self.spread + ((mu - m) ** 2 + var).sum()) / (len(mu) + 1)
        return RatingRatersFit(
            data.items, data.raters, mu, np.sqrt(var), bias, np.sqrt(noise),
            tuple(history),
        )  # fmt: skip

    def posterior(self, bias, noise, m, tau):
        precision = 1 / noise[self.data.rater]
        total = 1 / tau + self.data.per_item(precision)
        pull = self.data.per_item(precision * (self.y - bias[self.data.rater]))
        return (m / tau + pull) / total, 1 / total

    def objective(self, bias, noise, m, tau) -> float:
        """Log-likelihood with the qualities integrated out, and the priors."""
        data = self.data
        w = 1 / noise[data.rater]
        r = self.y - bias[data.rater] - m[data.item]
        a, b = data.per_item(w), data.per_item(w * r)
        likelihood = (np.log(w) - w * r**2 - np.log(2 * np.pi)).sum()
        likelihood += (b**2 * tau / (1 + a * tau) - np.log1p(a * tau)).sum()
        prior = -(bias**2).sum() / self.bias_variance
        prior -= self.prior * (np.log(noise) + self.spread / noise).sum()
        prior -= np.log(tau) + self.spread / tau
        return float((likelihood + prior) / 2)
