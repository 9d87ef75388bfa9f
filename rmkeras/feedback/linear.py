"""A Bradley-Terry model on fixed features, with an ensemble for nothing."""

from __future__ import annotations

import numpy as np


class LinearBradleyTerry:
    r"""Bradley and Terry on features that are given, with its uncertainty.

    $P(a \succ b) = \sigma(w^\top (x_a - x_b))$ with $w \sim N(0, \tau^2 I)$. Newton's
    method finds the most probable $w$; the inverse of the Hessian there is the
    posterior's covariance (Laplace), and `members` draws from it are an ensemble
    that costs one matrix decomposition instead of so many trainings. For
    simulations of active learning, in which a model is trained hundreds of times.

    Args:
        scale: The prior's standard deviation $\tau$ of each weight.
        members: Draws.
        seed: Of the draws.

    Attributes:
        weights: The most probable $w$ `(d,)`, after `fit`.
        draws: Draws from the posterior `(members, d)`, after `fit`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 3))
    >>> share = 1 / (1 + np.exp(-x @ [2.0, -1.0, 0.0]))
    >>> model = LinearBradleyTerry().fit(x, rng.random(400) < share)
    >>> int(model.weights.argmax()), model.margins(x).shape
    (0, (10, 400))

    Source: MacKay, "The evidence framework applied to classification networks"
    (1992), for the Laplace approximation.
    """

    def __init__(self, scale: float = 1.0, members: int = 10, seed: int = 0):
        self.scale, self.members, self.seed = scale, members, seed
        self.weights = self.draws = None

    def fit(self, differences, shares) -> LinearBradleyTerry:
        """Learns from comparisons.

        Args:
            differences: First text's features minus the second's `(pairs, d)`.
            shares: Share of each answer that was for the first `(pairs,)`.

        Returns:
            The model itself.
        """
        x, y = np.asarray(differences, "float64"), np.asarray(shares, "float64")
        w = np.zeros(x.shape[1]) if self.weights is None else self.weights
        ridge = np.eye(x.shape[1]) / self.scale**2
        value = self._loss(x, y, w)
        for _ in range(30):
            p = 1 / (1 + np.exp(-np.clip(x @ w, -40, 40)))
            gradient = x.T @ (y - p) - w / self.scale**2
            hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
            step = np.linalg.solve(hessian, gradient)
            while (new := self._loss(x, y, w + step)) > value + 1e-12:
                step = step / 2
            w, done, value = w + step, value - new < 1e-6 * len(y), new
            if done:
                break
        self.weights = w
        root = np.linalg.cholesky(hessian)
        noise = np.random.default_rng(self.seed).normal(size=(len(w), self.members))
        self.draws = w + np.linalg.solve(root.T, noise).T
        return self

    def margins(self, differences) -> np.ndarray:
        """By how much each draw finds the first text better.

        Args:
            differences: As in `fit`.

        Returns:
            `(members, pairs)`.
        """
        return self.draws @ np.asarray(differences, "float64").T

    def _loss(self, x, y, w) -> float:
        d = x @ w
        return float((np.logaddexp(0, d) - y * d).sum() + (w @ w) / (2 * self.scale**2))
