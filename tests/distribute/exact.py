"""One training and one step of each kind of policy method, under a strategy.

Run as `python exact.py STRATEGY OUT`; the first worker writes the weights.
"""

import sys

import numpy as np


def train(shared, found):
    """50 updates of two batches each, with all that is easily got wrong."""
    import keras
    import tensorflow as tf

    from rmkeras.distribute import TrainingLoop

    rng = np.random.default_rng(0)
    x = rng.integers(1, 30, (203, 7)).astype("int32")
    y = (x.sum(axis=1, keepdims=True) / 50 - 2).astype("float32")

    def build():
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Input((None,), dtype="int32")]
        layers += [keras.layers.Embedding(30, 8), keras.layers.GlobalAveragePooling1D()]
        layers += [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
        return keras.Sequential(layers)

    def optimizer():
        schedule = keras.optimizers.schedules.CosineDecay(
            1e-2, 50, warmup_target=2e-2, warmup_steps=10
        )
        return keras.optimizers.AdamW(
            schedule, weight_decay=0.01, use_ema=True, ema_momentum=0.9
        )

    def batches(epoch):  # 203 rows in batches of 21: the last has 14.
        order = np.random.default_rng(epoch).permutation(len(x))
        return tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(21)

    loop = TrainingLoop(
        build, keras.losses.Huber(), optimizer, shared, clip=0.05, accumulate=2
    )
    history = loop.run(batches, epochs=10)
    assert loop.updates == 50
    found |= loop.arrays()
    found["losses"] = np.array(history["loss"])
    found["traces"] = np.array(loop._step.traces())


def align(shared, found):
    """Three steps of methods whose objectives average unlike things."""
    import keras

    from rmkeras.models import CausalLM
    from rmkeras.rewards import FunctionReward
    from rmkeras.rl import DPO, GRPO, PPO, Reinforce, SoftQLearning, shared_trainer
    from rmkeras.rl.sampler import DecodeFunctions
    from rmkeras.text import SubwordTokenizer

    plain = DecodeFunctions.__init__
    DecodeFunctions.__init__ = lambda self, compile=True: plain(self, False)
    tokenizer = SubwordTokenizer.train(["a good film", "not a bad film"] * 5, 270)
    reward = FunctionReward(lambda t: [x.count("o") - 0.1 * len(x) for x in t], "o")
    shape = {"dim": 8, "num_layers": 1, "num_heads": 2, "max_length": 16}
    methods = {
        "reinforce": (Reinforce, {"baseline": "learned", "entropy_coefficient": 0.01}),
        "ppo": (PPO, {"epochs": 2, "minibatches": 2}),
        "grpo": (GRPO, {"samples": 2, "prompts": ["a", "good", "not a"]}),
        "dpo": (DPO, {"samples": 2}),
        "q": (SoftQLearning, {"updates": 2}),
    }
    for name, (kind, options) in methods.items():
        keras.utils.set_random_seed(0)
        policy = CausalLM(tokenizer, **shape)

        def make(policy, kind=kind, options=options):
            trainer = kind(
                policy,
                reward,
                batch_size=12,
                max_new_tokens=5,
                unfinished_reward=None,
                # Adam divides by the gradient's size: where that is nearly 0,
                # rounding moves a weight by some share of the learning rate.
                learning_rate=1e-4,
                seed=3,
                **options,
            )
            # On one device Keras measures the norm of an embedding's gradient
            # before a word's rows are added up, here after: where clipping acts,
            # the two are not the same step (see docs/scaling.md).
            trainer.optimizer.global_clipnorm = 1e6  # Never reached.
            return trainer

        trainer = shared_trainer(make, policy, shared)
        logs = [trainer.step()]
        momenta = [m.numpy().ravel() for m in trainer.optimizer._momentums]
        found[f"{name}_gradient"] = 10 * np.concatenate(momenta)
        logs.append(trainer.step())
        for i, weight in enumerate(policy.get_weights()):
            found[f"{name}_{i}"] = weight
        found[f"{name}_logs"] = np.array([list(x.values()) for x in logs])


def main(name, out):
    from rmkeras.quiet import import_tensorflow

    made = []

    def first():
        from rmkeras.distribute import strategy

        made.append(strategy(name))

    import_tensorflow(first)
    from rmkeras.distribute import Group

    found = {}
    train(made[0], found)
    if name != "mirrored:4":
        align(made[0], found)
    if Group(made[0]).is_chief:
        np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
