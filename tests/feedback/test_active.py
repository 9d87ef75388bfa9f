"""What is asked next: the rules by hand, batches that differ, and a saving."""

import numpy as np
import pytest
from scipy.optimize import minimize

from rmkeras.data import Rating
from rmkeras.feedback.active import (
    RULES,
    acquisition,
    choose_pairs,
    pair_margins,
    pair_priorities,
)
from rmkeras.feedback.linear import LinearBradleyTerry
from rmkeras.feedback.simulate import film_crews, simulated_answers, with_clickers
from rmkeras.feedback.tasks import Item


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_rules_by_hand():
    d = np.random.default_rng(0).normal(0, 2, (7, 20))
    p = sigmoid(d)

    def coin(q):
        return -q * np.log(q) - (1 - q) * np.log(1 - q)

    assert acquisition(d, "variance") == pytest.approx(d.var(axis=0))
    assert acquisition(d, "margin") == pytest.approx(-np.abs(d.mean(axis=0)))
    assert acquisition(d, "entropy") == pytest.approx(coin(p.mean(axis=0)))
    # Bald is the mutual information of the answer and the member, summed up here.
    joint = np.stack([p, 1 - p]) / 7
    apart = joint.sum(axis=1, keepdims=True) * np.full((1, 7, 1), 1 / 7)
    information = (joint * np.log(joint / apart)).sum(axis=(0, 1))
    assert acquisition(d, "bald") == pytest.approx(information)
    assert np.isfinite(acquisition([[1e9], [-1e9]])).all()


def test_bald_asks_for_what_is_not_known_and_margin_for_a_coin():
    d = np.array([[4.0, 0.0, 5.0], [4.0, 0.0, -3.0]])
    assert acquisition(d, "bald").argmax() == 2
    assert acquisition(d, "margin").argmax() == 1
    with pytest.raises(ValueError, match="two members or more"):
        acquisition(d[0], "bald")
    with pytest.raises(ValueError, match="expected one of bald"):
        acquisition(d, "best")


def test_a_batch_has_different_questions():
    rng = np.random.default_rng(0)
    # Forty copies of the most uncertain pair, and ten others that are less so.
    x = np.concatenate([np.tile([[9.0, 0.0]], (40, 1)), rng.normal(size=(10, 2))])
    spread = np.concatenate([np.full(40, 3.0), rng.uniform(1.5, 2, 10)])
    margins = np.stack([spread, -spread])
    plain = choose_pairs(margins, 6)
    assert (plain < 40).all()
    varied = choose_pairs(margins, 6, features=x, pool=20)
    assert (varied < 40).sum() == 1 and len(set(varied.tolist())) == 6
    assert choose_pairs(margins, 6, features=x, pool=20).tolist() == varied.tolist()


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_never_repeats_a_pair(rule):
    margins = np.zeros((3, 8))
    for features in (None, np.zeros((8, 2))):
        chosen = choose_pairs(margins, 20, rule, features)
        assert sorted(chosen.tolist()) == list(range(8))
    with pytest.raises(ValueError, match="size is 0"):
        choose_pairs(margins, 0, rule)


class Members:
    def score_members(self, texts, prompts=None):
        lengths = np.array([len(t) for t in texts], "float64")
        extra = 0 if prompts is None else np.array([len(p) for p in prompts])
        return np.stack([lengths + extra, -lengths])


def test_margins_and_priorities():
    margins = pair_margins(Members(), ["abc", "a"], ["a", "a"], ["?", "?"])
    assert margins.tolist() == [[2, 0], [-2, 0]]
    items = [
        Item("compare", ("a", "b"), id=1),
        Item("compare", ("a", "bcd"), id=2),
        Item("rate", ("a",), id=3),
    ]
    assert pair_priorities(Members(), items) == {2: 1.0, 1: 0.5}
    assert pair_priorities(Members(), items, size=1) == {2: 1.0, 1: 0.0}
    assert pair_priorities(Members(), items[2:]) == {}


def test_the_linear_model_is_the_posterior_mode_and_its_draws_have_its_spread():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3))
    y = rng.choice([0, 0.5, 1], 150)
    model = LinearBradleyTerry(0.7, members=4000).fit(x, y)

    def negative(w):
        d = x @ w
        return (np.logaddexp(0, d) - y * d).sum() + (w @ w) / (2 * 0.49)

    best = minimize(negative, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    assert model.weights == pytest.approx(best.x, abs=1e-4)
    p = sigmoid(x @ best.x)
    covariance = np.linalg.inv((x.T * (p * (1 - p))) @ x + np.eye(3) / 0.49)
    assert np.cov(model.draws.T) == pytest.approx(covariance, abs=0.004)
    assert model.margins(x).shape == (4000, 150)


def test_asking_where_the_ensemble_disagrees_saves_labels():
    # Of eight features most pairs differ in two only; few tell of the others.
    reached = {}
    for rule in ("random", "bald"):
        accuracies = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            w = rng.normal(0, 3, 8)
            x = rng.normal(size=(1500, 8))
            x[rng.random(1500) > 0.05, 2:] = 0
            said = (rng.random(1500) < sigmoid(x @ w)).astype(float)
            new = rng.normal(size=(2000, 8))
            order, model = list(range(10)), LinearBradleyTerry(3.0, 20, seed)
            while len(order) < 120:
                model.fit(x[order], said[order])
                left = np.setdiff1d(np.arange(1500), order)
                batch = choose_pairs(model.margins(x[left]), 10, rule, x[left])
                order += left[batch].tolist()
            model.fit(x[order], said[order])
            accuracies.append(np.mean(np.sign(new @ model.weights) == np.sign(new @ w)))
        reached[rule] = np.mean(accuracies)
    assert reached["bald"] > reached["random"] + 0.03


def test_simulated_answers_follow_the_single_ratings():
    texts = [Rating("a", 1.0, ratings=(0, 2)), Rating("b", 1.0, ratings=(1, 1))]
    said = simulated_answers(texts, np.tile([[0, 1]], (4000, 1)))
    assert set(said) == {0.0, 1.0} and said.mean() == pytest.approx(0.5, abs=0.03)
    assert simulated_answers(texts, np.array([[1, 1]])).tolist() == [0.5]


def test_clickers_replace_annotators_and_never_judges():
    rng = np.random.default_rng(0)
    crews = [(None, rng.normal(10, 1, (30, 16))) for _ in range(40)]
    data = with_clickers(crews, 6, 0.3, seed=1)
    assert len(data["judged"]) == 1200 and len(data["clicker"]) == 240
    assert data["clicker"].mean() == pytest.approx(0.3, abs=0.1)
    lazy = data["clicker"][data["rater"]]
    assert data["rating"][lazy].max() <= 4 < data["rating"][~lazy].min()
    assert data["judged"].min() > 8
    assert np.bincount(data["rater"]).tolist() == [30] * 240


def test_film_crews_are_the_same_people():
    from rmkeras.data import is_prepared

    if not is_prepared():
        pytest.skip("the human ratings are not prepared: make data")
    crews = film_crews()
    assert len(crews) == 354 and len(crews[-1][0]) == 15
    away = [r - r.mean(axis=1, keepdims=True) for _, r in crews]
    same = np.mean([(a[1:] * a[:-1]).mean() / a.var() for a in away])
    shifted = np.mean([(a[1:, 1:] * a[:-1, :-1]).mean() / a.var() for a in away])
    assert same > 0.25 and abs(shifted) < 0.1
