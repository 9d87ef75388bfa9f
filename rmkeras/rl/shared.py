"""Online methods on several devices of one process, or on several machines."""

from __future__ import annotations

import tensorflow as tf

from rmkeras.distribute.group import Group
from rmkeras.distribute.share import Alone, Meeting, ThreadShare, WorkerShare


def share_of(strategy):
    """The share of this process under a strategy.

    Args:
        strategy: A `tf.distribute.Strategy`, or `None`.

    Returns:
        A share for `OnlineTrainer.share`.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return WorkerShare(Group(strategy))
    return Alone()


def shared_trainer(make, policy, strategy=None):
    """Makes what trains under a strategy: one trainer, or one for each device.

    Args:
        make: A function from a policy to an `OnlineTrainer`.
        policy: The policy, trained in place.
        strategy: A `tf.distribute.Strategy`, or `None`.

    Returns:
        An `OnlineTrainer`, or a `MirroredTrainer`.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import Reinforce, shared_trainer
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> reward = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> trainer = shared_trainer(
    ...     lambda policy: Reinforce(policy, reward, max_new_tokens=5), policy)
    >>> type(trainer).__name__  # one device, one trainer
    'Reinforce'
    """
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return make(policy)
    share = share_of(strategy)
    if share.count == 1:
        return MirroredTrainer(make, policy, strategy.extended.worker_devices)
    trainer = make(policy)
    trainer.share_out(share)
    return trainer


class MirroredTrainer:
    """One trainer for each device of this process, that make the same updates.

    It has the face of an `OnlineTrainer` and can be given to `align`.

    Args:
        make: A function from a policy to an `OnlineTrainer`.
        policy: The policy; the first replica trains it in place.
        devices: Names of devices.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import MirroredTrainer, Reinforce
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> reward = FunctionReward(lambda texts: [len(x) for x in texts], "length")
    >>> trainer = MirroredTrainer(
    ...     lambda p: Reinforce(p, reward, batch_size=4, max_new_tokens=5),
    ...     policy, ["CPU:0", "CPU:0"])
    >>> trainer.step()["reward"] >= -1
    True
    """

    def __init__(self, make, policy, devices):
        self.devices = list(devices)
        self.meeting = Meeting(len(self.devices))
        self.trainers = []
        for rank, device in enumerate(self.devices):
            with tf.device(device):
                mine = policy
                if rank:
                    mine = policy.__class__.from_config(policy.get_config())
                    mine.set_weights(policy.get_weights())
                trainer = make(mine)
                trainer.share_out(ThreadShare(rank, self.meeting))
            self.trainers.append(trainer)

    def __getattr__(self, name):
        if name in ("trainers", "meeting"):
            raise AttributeError(name)
        return getattr(self.trainers[0], name)

    @property
    def share(self):
        """What `align` asks: one process, which speaks for itself."""
        return Alone()

    def step(self):
        """One step of all; see `OnlineTrainer.step`."""

        def on(trainer, device):
            def one():
                with tf.device(device):
                    return trainer.step()

            return one

        pairs = zip(self.trainers, self.devices, strict=True)
        return self.meeting.run([on(*pair) for pair in pairs])[0]

    def set_policy(self, weights):
        """Sets the policy's weights on every device."""
        for trainer in self.trainers:
            trainer.set_policy(weights)

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned, on every device."""
        for trainer in self.trainers:
            trainer.load_state(numbers, arrays)
