"""Policies so small that every text can be listed."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from rmkeras.models import CausalLM
from rmkeras.rewards import Reward
from rmkeras.text import SubwordTokenizer

ALLOWED = (1, 70, 80)
LENGTH = 2


class TableReward(Reward):
    """The sum of what each token is worth, computed in the graph."""

    name = "table"

    def __init__(self, table):
        self.table = tf.constant(table, tf.float32)

    def in_graph(self, tokenizer):
        return True

    def score_ids(self, ids, tokenizer):
        return tf.reduce_sum(tf.gather(self.table, ids), axis=1)


def narrow(policy, allowed=ALLOWED):
    """Makes all but a few tokens impossible, so that all texts can be listed."""
    bias = np.full(policy.bias.shape, -1e9, "float32")
    bias[list(allowed)] = 0.0
    policy.bias.assign(bias)


class SmallWorld:
    """Texts of at most two of two letters; rewards, a policy and a reference."""

    def __init__(self, seed=0):
        keras.utils.set_random_seed(seed)
        tokenizer = SubwordTokenizer.train(["good film", "bad film"] * 9, 262)
        shape = {"dim": 8, "num_layers": 1, "num_heads": 2, "max_length": 16}
        self.policy = CausalLM(tokenizer, **shape)
        narrow(self.policy)
        self.table = np.zeros(tokenizer.vocabulary_size, "float32")
        self.table[[70, 80]] = 1.0, -2.0
        self.reward = TableReward(self.table)
        self.reference = CausalLM.from_config(self.policy.get_config())
        self.reference.set_weights([w * 1.2 for w in self.policy.get_weights()])
        narrow(self.reference)
        texts = [(1, 0), *itertools.product((70, 80), ALLOWED)]
        self.ids = np.array(texts, "int32")
        self.prompts = np.ones((len(texts), 1), "int32")
        self.mask = (self.ids > 0).astype("float32")

    def token_log_probs(self, model):
        """`(texts, 2)`, with gradient."""
        inputs = np.concatenate([self.prompts, self.ids[:, :1]], 1)
        rows = tf.nn.log_softmax(model(inputs))
        return tf.gather(rows, self.ids, batch_dims=2) * self.mask

    def log_pi(self, model=None):
        """`(texts,)`, with gradient."""
        return tf.reduce_sum(self.token_log_probs(model or self.policy), 1)

    def rewards(self):
        return self.table[self.ids].sum(1)

    def gradient(self, beta=0.0):
        """∇ E[r − β KL] by the bias of the allowed tokens."""
        ref = self.log_pi(self.reference)
        with tf.GradientTape() as tape:
            lp = self.log_pi()
            objective = tf.reduce_sum(
                tf.exp(lp) * (self.rewards() - beta * (lp - tf.stop_gradient(ref)))
            )
        assert abs(float(tf.reduce_sum(tf.exp(lp))) - 1) < 1e-5, "not all listed"
        return np.array(tape.gradient(objective, self.policy.bias))[list(ALLOWED)]

    def variance(self, baseline):
        """Σ of the variances of (R − b) ∇ log π over one sample, by the listed texts."""
        with tf.GradientTape() as tape:
            lp = self.log_pi()
        each = np.array(tape.jacobian(lp, self.policy.bias))[:, list(ALLOWED)]
        p = np.exp(lp.numpy())[:, None]
        g = (self.rewards() - baseline)[:, None] * each  # (texts, 3)
        return float((p * (g - (p * g).sum(0)) ** 2).sum())

    def updates(self, trainer, count):
        """What plain gradient descent of rate 1 adds to the bias, `(count, 3)`."""
        policy = self.policy
        trainer.optimizer = keras.optimizers.SGD(1.0)
        trainer.optimizer.build(trainer.variables)
        start, bias = policy.get_weights(), np.array(policy.bias)
        found = []
        for _ in range(count):
            policy.set_weights(start)
            trainer.step()
            found.append((np.array(policy.bias) - bias)[list(ALLOWED)])
        policy.set_weights(start)
        return np.array(found)


def assert_mean(found, expected, sigmas=3.0):
    """The mean of independent estimates is what it should be."""
    error = found.std(0) / np.sqrt(len(found))
    gap = np.abs(found.mean(0) - expected)
    assert (gap < sigmas * error + 1e-3).all(), (found.mean(0), expected, error)
