"""What the training loop costs beside `model.fit` on one device.

Both train the same model on the same batches in one process, epoch about epoch; what
is compared is each one's fastest and median epoch.

    python benchmarks/loop_overhead.py
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--dim", type=int, default=64)
    arguments = parser.parse_args()

    from rmkeras.quiet import import_tensorflow

    tf, keras = import_tensorflow()
    from rmkeras.distribute import TrainingLoop
    from rmkeras.models import transformer_reward_model
    from rmkeras.models.optimizer import adamw
    from rmkeras.text import SubwordTokenizer

    tokenizer = SubwordTokenizer.train(["a good film", "a bad film"] * 9, 300)

    def build():
        keras.utils.set_random_seed(0)
        return transformer_reward_model(tokenizer, dim=arguments.dim, max_length=64)

    rng = np.random.default_rng(0)
    rows = 32 * arguments.updates
    x = rng.integers(3, tokenizer.vocabulary_size, (rows, 32)).astype("int32")
    y = rng.normal(size=(rows, 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    data = data.cache().prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False  # Its end would be counted to a short epoch.
    data = data.with_options(options)

    model = build()
    model.compile(adamw(1e-3, 10_000), keras.losses.Huber(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    loop = TrainingLoop(build, keras.losses.Huber(), lambda: adamw(1e-3, 10_000), "one")

    def fit():
        model.fit(data, verbose=0, shuffle=False)

    def run():
        loop.run(lambda epoch: data, 1)

    times = {"fit": [], "loop": []}
    fit()
    run()
    pairs = zip(model.get_weights(), loop.model.get_weights(), strict=True)
    apart = float(max(np.abs(a - b).max() for a, b in pairs))
    for epoch in range(arguments.epochs):
        pair = [("fit", fit), ("loop", run)]
        for name, function in pair if epoch % 2 else pair[::-1]:
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    found = {
        name: {"least_s": min(t), "median_s": float(np.median(t))}
        for name, t in times.items()
    }
    ratios = np.array(times["loop"]) / np.array(times["fit"])
    found["overhead_of_medians"] = (
        found["loop"]["median_s"] / found["fit"]["median_s"] - 1
    )
    found["median_overhead_of_pairs"] = float(np.median(ratios)) - 1
    found["overhead_of_least"] = found["loop"]["least_s"] / found["fit"]["least_s"] - 1
    found["ms_per_update_fit"] = 1e3 * found["fit"]["median_s"] / arguments.updates
    found["weights_differ_after_first_epoch"] = apart
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
