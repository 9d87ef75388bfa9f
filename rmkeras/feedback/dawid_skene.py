"""What is true, and who knows it, out of labels that several raters gave."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rmkeras.feedback.answers import Answers, number, same_length


@dataclass(frozen=True, slots=True)
class DawidSkeneFit:
    """What `dawid_skene` found.

    Attributes:
        items: The items, in the order of first appearance.
        raters: The raters, likewise.
        classes: The labels, likewise.
        posterior: Probability of each label for each item `(items, classes)`.
        prevalence: Share of each label among the items `(classes,)`.
        confusion: For each rater the probability of each answer, given the true
            label `(raters, classes, classes)`; rows are the truth.
        objective: Penalised log-likelihood after each step; it never falls.
    """

    items: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    classes: tuple[Hashable, ...]
    posterior: np.ndarray
    prevalence: np.ndarray
    confusion: np.ndarray
    objective: tuple[float, ...]

    @property
    def accuracy(self) -> dict[Hashable, float]:
        """How often each rater is right: the mean of the diagonal by prevalence."""
        right = np.einsum("k,jkk->j", self.prevalence, self.confusion)
        return dict(zip(self.raters, right.tolist(), strict=True))

    @property
    def weights(self) -> dict[Hashable, float]:
        """Bits that one answer of a rater says about the truth.

        It is the mutual information of truth and answer: 0 for whoever throws
        dice, and for whoever always presses the same key, however often that is
        right by luck; as much for somebody who is always wrong as for somebody who
        is always right.
        """
        joint = self.prevalence[None, :, None] * self.confusion  # (raters, k, l)
        apart = self.prevalence[None, :, None] * joint.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = np.where(joint > 0, joint * np.log2(joint / apart), 0.0)
        return dict(zip(self.raters, bits.sum(axis=(1, 2)).tolist(), strict=True))

    @property
    def labels(self) -> dict[Hashable, Hashable]:
        """The most probable label of each item."""
        best = self.posterior.argmax(axis=1)
        return {i: self.classes[k] for i, k in zip(self.items, best, strict=True)}


def dawid_skene(
    items: Sequence[Hashable],
    raters: Sequence[Hashable],
    labels: Sequence[Hashable],
    weights: Sequence[float] | None = None,
    classes: Sequence[Hashable] | None = None,
    one_accuracy: bool = False,
    equal_prevalence: bool = False,
    prior_answers: float = 2.0,
    prior_accuracy: float = 0.75,
    steps: int = 200,
    tolerance: float = 1e-7,
) -> DawidSkeneFit:
    r"""Estimates the truth and each rater's confusion matrix together.

    The true label $z_i$ of item $i$ is drawn with $P(z_i = k) = \pi_k$; rater $j$
    answers $l$ with probability $\theta_{jkl}$ if it is $k$. EM finds the largest

    $$ \sum_i \log \sum_k \pi_k \prod_{j} \theta_{jk\,y_{ij}}
    + \sum_{j,k,l} a_{kl} \log \theta_{jkl} + \sum_k \log \pi_k , $$

    where the pseudo-answers $a_{kl}$ are a rater's before the first answer is in:
    `prior_answers` for each true label, `prior_accuracy` of them right. They hold
    a rater with three answers near the others, and they say which way is up:
    without them all truths and all answers could be swapped.

    E: $q_{ik} \propto \pi_k \prod_j \theta_{jk\,y_{ij}}$. M: $\theta_{jkl} \propto
    a_{kl} + \sum_i q_{ik} [y_{ij} = l]$ and $\pi_k \propto 1 + \sum_i q_{ik}$.
    Neither can lower the sum above.

    Args:
        items: The item of each answer.
        raters: The rater of each answer; any names.
        labels: The answers; any names.
        weights: How much each answer counts; 1 by default. A tie can be two
            answers of weight 0.5.
        classes: The labels that there are; by default those that were given.
        one_accuracy: Whether a rater has one chance of being right, whatever the
            truth, and errs evenly: one number to learn in place of a matrix, for
            few answers a rater, and for labels such as "first" and "second" whose
            names mean nothing.
        equal_prevalence: Whether all labels are equally frequent before anybody
            answers, $\pi_k = 1 / K$, as the sides of comparisons are.
        prior_answers: See above; above 0.
        prior_accuracy: See above; above `1 / classes` and below 1.
        steps: Most steps of EM.
        tolerance: Stop when a step adds less than this times the number of items.

    Returns:
        A `DawidSkeneFit`.

    Raises:
        ValueError: If the sequences differ in length or are empty, there is only
            one class, a label is none of `classes`, or a prior is out of its
            range.

    Example:

    >>> said = []
    >>> for i in range(40):
    ...     truth = "yes" if i % 3 else "no"
    ...     said += [(i, "Ada", truth), (i, "Bob", truth)]
    ...     said += [(i, "Cy", "yes" if i % 2 else "no")]
    >>> fit = dawid_skene(*zip(*said))
    >>> {name: round(a, 1) for name, a in fit.accuracy.items()}
    {'Ada': 1.0, 'Bob': 1.0, 'Cy': 0.5}

    Source: Dawid and Skene, "Maximum likelihood estimation of observer
    error-rates using the EM algorithm" (1979); the priors make it the maximum a
    posteriori form.
    """
    same_length(items=items, raters=raters, labels=labels, weights=weights)
    data = Answers.of(items, raters)
    names, label = _labels(labels, classes)
    k = len(names)
    if prior_answers <= 0 or not 1 / k < prior_accuracy < 1:
        raise ValueError(
            f"prior_answers is {prior_answers:g} and prior_accuracy "
            f"{prior_accuracy:g}; expected more than 0, and between {1 / k:g} and 1"
        )
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, "float64")
    prior = np.full((k, k), prior_answers * (1 - prior_accuracy) / (k - 1))
    np.fill_diagonal(prior, prior_answers * prior_accuracy)
    n, m = len(data.items), len(data.raters)
    # The first guess: shares of the answers, a little towards all alike.
    q = np.full((n, k), 0.1)
    np.add.at(q, (data.item, label), weight)
    q /= q.sum(axis=1, keepdims=True)
    history: list[float] = []
    for _ in range(steps):
        pi = (1 + q.sum(axis=0)) / (n + k)
        if equal_prevalence:
            pi = np.full(k, 1 / k)
        counts = np.zeros((m, k, k))
        # counts[j, :, l] grows by the posterior of each item that j called l.
        np.add.at(
            counts.transpose(0, 2, 1),
            (data.rater, label),
            weight[:, None] * q[data.item],
        )
        counts += prior
        if one_accuracy:
            right = np.einsum("jkk->j", counts) / counts.sum(axis=(1, 2))
            theta = np.repeat(((1 - right) / (k - 1))[:, None, None], k, axis=1)
            theta = np.repeat(theta, k, axis=2)
            theta[:, np.arange(k), np.arange(k)] = right[:, None]
        else:
            theta = counts / counts.sum(axis=2, keepdims=True)
        said = weight[:, None] * np.log(theta)[data.rater, :, label]  # (answers, k)
        log_q = np.tile(np.log(pi), (n, 1))
        np.add.at(log_q, data.item, said)
        top = log_q.max(axis=1, keepdims=True)
        total = np.log(np.exp(log_q - top).sum(axis=1, keepdims=True)) + top
        q = np.exp(log_q - total)
        value = total.sum() + (prior * np.log(theta)).sum() + np.log(pi).sum()
        history.append(float(value))
        if len(history) > 1 and history[-1] - history[-2] < tolerance * n:
            break
    return DawidSkeneFit(data.items, data.raters, names, q, pi, theta, tuple(history))


def _labels(labels, classes) -> tuple[tuple[Hashable, ...], np.ndarray]:
    if classes is None:
        names, codes = number(labels)
    else:
        names = tuple(dict.fromkeys(classes))
        at = {name: i for i, name in enumerate(names)}
        strange = next((v for v in labels if v not in at), None)
        if strange is not None:
            raise ValueError(f"the label {strange!r} is none of {list(names)}")
        codes = np.array([at[v] for v in labels], "int64")
    if len(names) < 2:
        raise ValueError(
            f"there is one label only ({names[0]!r}); expected at least two, or the "
            "argument classes"
        )
    return names, codes
