"""Several fine-tuned reward models as one: the mean of their weights."""

from __future__ import annotations

import numpy as np
from keras import ops

from rmkeras.errors import RmkerasError

# Two fine-tunings of one model differ by little; of two random matrices the cosine is
# about 0.
LEAST_COSINE = 0.5


def average_weights(models):
    """Averages reward models that were fine-tuned from the same weights (WARM).

        θ̄ = (1 / M) Σ_m θ_m

    Models that began from the same weights end in one basin of the loss: on the
    straight line between them it stays low, and the mean scores like their ensemble
    at the cost of one model. What one of them learned by heart, such as a slip of a
    rater, is averaged away; what all learned stays. Models that began from different
    random weights share no basin, and the mean of their weights is noise.

    Args:
        models: Two or more `RewardModel`s of one shape and one tokeniser: the same
            pretrained model and the same `initial_seed`, other `seed`s.

    Returns:
        A new model; the given ones stay as they are.

    Raises:
        RmkerasError: If there are fewer than two, if they differ in anything but
            their weights, if they did not begin from the same weights, or if they
            are low-rank adaptations: the mean of products B A is no product of
            means.

    Example:

    >>> from rmkeras.models import average_weights, lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> first = lstm_reward_model(tokenizer, dim=8, units=4)
    >>> second = type(first).from_config(first.get_config())
    >>> second.build()
    >>> second.set_weights([1.1 * w for w in first.get_weights()])
    >>> mean = average_weights([first, second])
    >>> bool(abs(mean.get_weights()[0] - 1.05 * first.get_weights()[0]).max() < 1e-6)
    True

    Source: Ramé et al. (2024), "WARM: On the Benefits of Weight Averaged Reward
    Models", section 3; Wortsman et al. (2022), "Model soups", section 2.
    """
    models = list(models)
    if len(models) < 2:
        raise RmkerasError(f"a mean of {len(models)} models; expected two or more")
    first = models[0]
    for number, other in enumerate(models[1:], 2):
        _check_alike(first, other, number)
    average = type(first).from_config(first.get_config())
    if not average.built:
        average.build()
    each = [model.weights for model in models]
    for mean, *members in zip(average.weights, *each, strict=True):
        values = [ops.convert_to_numpy(m) for m in members]
        if np.issubdtype(values[0].dtype, np.floating):
            # Summed in float64: the mean of equal weights is that weight.
            mean.assign(np.mean(values, axis=0, dtype="float64"))
        else:
            mean.assign(values[0])
    return average


def _check_alike(first, other, number):
    """Refuses two models whose weights have no mean that means anything."""
    before, now = (_shape(model) for model in (first, other))
    if differs := sorted(k for k in before | now if before.get(k) != now.get(k)):
        raise RmkerasError(
            f"models 1 and {number} differ in {', '.join(differs)}; expected models "
            "that differ in their weights alone"
        )
    if any("lora" in w.path for w in first.weights):
        raise RmkerasError(
            "the models are low-rank adaptations, B A added to frozen weights, and the "
            "mean of such products is no product of means; combine them in a "
            "RewardEnsemble, or train all weights"
        )
    for ours, theirs in zip(first.weights, other.weights, strict=True):
        if len(ours.shape) < 2:  # Biases begin at 0, whatever the seed.
            continue
        a, b = (
            ops.convert_to_numpy(w).astype("float64").ravel() for w in (ours, theirs)
        )
        size = np.sqrt((a @ a) * (b @ b))
        if size and a @ b / size < LEAST_COSINE:
            raise RmkerasError(
                f"models 1 and {number} did not begin from the same weights: in "
                f"{ours.path} their cosine is {a @ b / size:.2f}. Fine-tune one "
                "pretrained model with one initial_seed (train-reward "
                "--average-weights does), or combine them in a RewardEnsemble"
            )


def _shape(model):
    """What has to be the same: the configuration, without the names Keras counts up."""
    return {
        "class": type(model).__name__,
        **_nameless(model.get_config()),
        "weights": [tuple(w.shape) for w in model.weights],
    }


def _nameless(config):
    if not isinstance(config, dict):
        return config
    return {k: _nameless(v) for k, v in config.items() if k != "name"}
