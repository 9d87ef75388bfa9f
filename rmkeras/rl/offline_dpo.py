"""DPO and IPO on recorded comparisons; for the loss and its details see `dpo`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from rmkeras.data.encode import truncate_pair
from rmkeras.distribute.same_run import digest
from rmkeras.errors import RmkerasError
from rmkeras.rl.completions import completion_log_probs, frozen_copy
from rmkeras.rl.dpo import check_pair_options, pair_loss
from rmkeras.rl.offline import OfflineTrainer
from rmkeras.text.tokenizer import pad


class OfflineDPO(OfflineTrainer):
    """Direct preference optimisation on recorded comparisons.

    Args:
        policy: A language model, changed in place.
        records: `Preference` records. Their `probability` and `margin` count as in
            `BradleyTerry`; a margin is in the unit of the reward, β log(π / π_ref).
        validation: Held-out ones to report on after each epoch.
        epochs: Passes; one or two, as comparisons are learned by heart quickly.
        batch_size: Pairs a batch.
        beta: β, the tie to the policy as it is now.
        learning_rate: Adam's.
        label_smoothing, kind: See `preference_policy_loss`.
        seed: Decides the order.
        say: Takes one line about what was cut or left out.

    Attributes:
        history: A dict of lists with a number an epoch: `loss`, `accuracy`, `margin`,
            `chosen_reward`, `rejected_reward`, and the same with `val_`.

    Raises:
        RmkerasError: If no usable pair is left.

    Example:

    >>> from rmkeras.data import Preference
    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rl import OfflineDPO
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = OfflineDPO(policy, [Preference("good", "bad", "a")])
    >>> round(trainer.step()["loss"], 4)  # ln 2: policy and reference are the same
    0.6931
    """

    def __init__(
        self,
        policy,
        records,
        validation=(),
        epochs=1,
        batch_size=16,
        beta=0.1,
        learning_rate=1e-4,
        label_smoothing=0.0,
        kind="dpo",
        seed=0,
        say=lambda line: None,
    ):
        check_pair_options(label_smoothing, kind)
        if beta <= 0:
            raise ValueError(f"beta is {beta}; DPO divides by it, so it is positive")
        records, validation = list(records), list(validation)
        super().__init__(policy, frozen_copy(policy), learning_rate, seed)
        self.beta = beta
        self.train = _encode_pairs(policy, self.reference, records, batch_size, say)
        self.held_out = []
        if validation:
            self.held_out = _encode_pairs(
                policy, self.reference, validation, batch_size, say
            )
        self.steps = epochs * len(self.train)
        self.history = {}
        self._reports = []  # of this epoch's batches, each with its number of pairs
        self._decides = {
            "seed": seed,
            "batch_size": batch_size,
            "beta": beta,
            "learning_rate": learning_rate,
            "label_smoothing": label_smoothing,
            "kind": kind,
            "comparisons": digest([_decides(r) for r in records]),
        }

        def loss_of(prompt_ids, ids, mask, theirs, share, margins, weights):
            log_probs, *_ = completion_log_probs(policy, prompt_ids, ids)
            how = beta, label_smoothing, kind, share, margins
            return pair_loss(log_probs, theirs, mask, weights, *how)

        @tf.function(autograph=False)
        def update(*batch):
            with tf.GradientTape() as tape:
                loss, found = loss_of(*batch)
            variables = self.variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            return {"loss": loss, **found}

        @tf.function(autograph=False)
        def evaluate(*batch):
            loss, found = loss_of(*batch)
            return {"loss": loss, **found}

        self._update, self._evaluate = update, evaluate

    def update(self):
        """Learns from the next batch; the epoch's last one closes the books on it."""
        epoch, at = divmod(self.steps_done, len(self.train))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train))
        batch = self.train[order[at]]
        logs = _floats(self._update(*batch))
        self._reports.append([logs, float(batch[-1].sum())])
        if at == len(self.train) - 1:
            found = self.epoch_so_far()
            for key, value in found.items():
                self.history.setdefault(key, []).append(value)
            self._reports = []
            logs = logs | {k: v for k, v in found.items() if k.startswith("val_")}
        return logs

    def epoch_so_far(self):
        """Means over this epoch's batches, and over the held-out comparisons.

        Returns:
            A dict of floats.
        """
        held_out = [
            [_floats(self._evaluate(*batch)), float(batch[-1].sum())]
            for batch in self.held_out
        ]
        found = {}
        for prefix, reports in (("", self._reports), ("val_", held_out)):
            total = sum(count for _, count in reports)
            for key in reports[0][0] if reports else ():
                found[prefix + key] = sum(r[key] * n for r, n in reports) / total
        return found

    def last(self):
        """The last epoch's numbers; those of a part of one if it was not finished."""
        if self._reports:
            return self.epoch_so_far()
        return {key: values[-1] for key, values in self.history.items()}

    def own_rewards(self, drawn, log_ratio):
        """β log(π / π_ref), the reward whose optimum the policy is."""
        return self.beta * log_ratio

    def decides(self):
        """See `Resuming`; the comparisons and the loss."""
        return {**super().decides(), **self._decides}

    def state(self):
        """See `Resuming.state`; the epochs' numbers too."""
        numbers, arrays = super().state()
        epochs = {"history": self.history, "reports": self._reports}
        return {**numbers, **epochs}, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        super().load_state(numbers, arrays)
        self.history, self._reports = numbers["history"], numbers["reports"]


def train_dpo(policy, records, validation=(), **options):
    """Trains a policy on recorded comparisons, from the first to the last step.

    Args:
        policy, records, validation, **options: See `OfflineDPO`.

    Returns:
        Its history, a dict of lists with a number an epoch.

    Raises:
        RmkerasError: If no usable pair is left.

    Example:

    >>> from rmkeras.data import Preference
    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rl import train_dpo
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> pairs = [Preference("good", "bad", "a")]
    >>> history = train_dpo(policy, pairs, epochs=2, learning_rate=1e-2)
    >>> history["loss"][1] < history["loss"][0]
    True
    """
    trainer = OfflineDPO(policy, records, validation, **options)
    while trainer.steps_done < trainer.steps:
        trainer.step()
    return trainer.history


def _decides(record):
    """What of a comparison decides the run; all agreed, and by no margin, if not said."""
    texts = [record.prompt, record.chosen, record.rejected]
    said = [record.probability, record.margin or 0.0]
    return texts if said == [1.0, 0.0] else [*texts, *said]


def _floats(logs):
    return {key: float(value) for key, value in logs.items()}


def _encode_pairs(policy, reference, records, batch_size, say):
    """Batches of pairs, neighbours in length together, the reference's side done."""
    # Answers are padded, so that the last of the longest one's ids is read as well:
    # prompt and answer together may not be longer than the policy.
    room = policy.max_length - len(policy.start_ids)
    prompts = policy.encode_prompts([r.prompt or "" for r in records])
    answers = [
        policy.tokenizer.encode([getattr(r, side) for r in records], end=True)
        for side in ("chosen", "rejected")
    ]
    start, rows, same, cut = policy.start_ids, [], 0, 0
    for record, prompt, chosen, rejected in zip(
        records, prompts, *answers, strict=True
    ):
        fit = truncate_pair(
            prompt[len(start) :], chosen, rejected, room, policy.tokenizer.end_id
        )
        cut += bool(fit.lost_prompt or fit.lost_answers)
        if fit.identical:
            same += 1
            continue
        said = record.probability, record.margin or 0.0
        both = fit.chosen_ids, fit.rejected_ids
        rows.append(([*start, *fit.prompt_ids], *both, said))
    if not rows:
        raise RmkerasError("no comparison is left to learn from; all are equal")
    if same or cut:
        say(
            f"{cut} pairs were cut to fit {policy.max_length} tokens; {same} whose "
            "answers are then equal are left out"
        )
    rows.sort(key=lambda r: len(r[0]) + max(len(r[1]), len(r[2])))

    @tf.function(autograph=False)
    def log_probs(prompt_ids, ids):
        return completion_log_probs(reference, prompt_ids, ids)[0]

    batches = []
    for first in range(0, len(rows), batch_size):
        part = rows[first : first + batch_size]
        weights = np.zeros(batch_size, "float32")
        weights[: len(part)] = 1.0
        # The last batch is filled up with pairs that count nothing.
        part = part + part[:1] * (batch_size - len(part))
        widths = [
            -(-max(len(x) for r in part for x in r[at]) // 16) * 16
            for at in (slice(0, 1), slice(1, 3))
        ]
        prompt_ids = pad([r[0] for r in part for _ in range(2)], widths[0], left=True)
        ids = pad([x for r in part for x in r[1:3]], widths[1])
        mask = (ids != 0).astype("float32")
        theirs = log_probs(tf.constant(prompt_ids), tf.constant(ids)).numpy()
        share, margins = np.array([r[3] for r in part], "float32").T
        batches.append((prompt_ids, ids, mask, theirs, share, margins, weights))
    return batches
