"""What methods share that learn from records and draw nothing: one update a step."""

from __future__ import annotations

import numpy as np

from rmkeras.distribute.share import Alone
from rmkeras.models.optimizer import Adam
from rmkeras.rl.resuming import Resuming


class OfflineTrainer(Resuming):
    """Learns from a list of records. `align` runs it as it runs an `OnlineTrainer`.

    A method sets `steps` and writes `update`; what else an online trainer would take
    from its samples is there for a `Look`, which shows what the policy says meanwhile.

    Args:
        policy: A language model, changed in place.
        reference: A frozen copy of the policy as it was.
        learning_rate: Adam's, or a schedule.
        seed: Decides the order of the records.

    Attributes:
        steps: Updates in all.
        steps_done: Updates so far.
        reward: What a `Look` scores samples with; `None` for `own_rewards`.
    """

    share = Alone()
    reward = prompts = references = None
    max_new_tokens = 32

    def __init__(self, policy, reference, learning_rate, seed):
        self.policy = policy
        self.reference = reference
        self.seed = seed
        self.steps_done = 0
        self.optimizer = Adam(learning_rate, epsilon=1e-5, global_clipnorm=1.0)
        self.optimizer.build(self.variables)

    @property
    def variables(self):
        """What the optimizer changes."""
        return self.policy.trainable_variables

    def set_policy(self, weights):
        """Sets the policy's weights."""
        self.policy.set_weights(weights)

    def update(self):
        """Learns from the next batch; returns a dict of floats, `loss` among them."""
        raise NotImplementedError

    def own_rewards(self, drawn, log_ratio):
        """What the method itself holds its samples to be worth.

        Args:
            drawn: `Samples`.
            log_ratio: `(batch,)`: log(π / π_ref) of each.

        Returns:
            `(batch,)` floats.
        """
        raise NotImplementedError

    def step(self):
        """One update.

        Returns:
            A dict of floats.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        logs = self.update()
        self.steps_done += 1
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"the loss is {logs['loss']} at step {self.steps_done}; the policy has "
                "diverged. Go back to the last checkpoint and try a smaller learning "
                "rate"
            )
        return logs
