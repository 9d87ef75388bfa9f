"""The examples in the docstrings of layers, models, losses, rewards and rl run."""

import doctest
import importlib

import pytest

MODULES = [
    "rmkeras.quiet",
    "rmkeras.text.tokenizer",
    *(f"rmkeras.layers.{m}" for m in ("attention", "embedding", "pooling")),
    *(f"rmkeras.layers.{m}" for m in ("reward_head", "transformer")),
    *(f"rmkeras.models.{m}" for m in ("causal_lm", "encoders")),
    *(f"rmkeras.models.{m}" for m in ("reward_model", "saving")),
    *(f"rmkeras.models.{m}" for m in ("ngram", "optimizer", "recurrent_lm", "sft")),
    *(f"rmkeras.layers.{m}" for m in ("fused", "rotary")),
    *(f"rmkeras.data.{m}" for m in ("packing", "sft", "texts")),
    *("rmkeras.data.aspects", "rmkeras.evaluate.aspects"),
    *("rmkeras.losses.multitask", "rmkeras.models.aspect_model"),
    "rmkeras.metrics.answers",
    "rmkeras.losses.policy",
    *(f"rmkeras.rewards.{m}" for m in ("base", "learned")),
    *(f"rmkeras.rl.{m}" for m in ("draw", "reinforce", "sampler")),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed
