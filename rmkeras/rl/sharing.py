"""Online methods whose rows are shared out, and whose update stays exact.

A step of any method is: draw, score, compare, update. Rows are shared out for what
costs: drawing, scoring, the reference's and the policy's passes. The rest sees the
whole batch, on each replica the same.

Draws belong to rows (`uniforms`), so it does not matter who draws which. The update is
exact for every method whose objective is a sum over rows, divided by what does not
depend on the weights; all of ours are. Replica r computes f_r: the objective of the
whole batch in which the other replicas' rows are constants. With f_0, in which all rows
are constants,

    f = Σ_r f_r − (R − 1) f_0 = Σ_r [f_r − (1 − 1/R) f_0]

holds for value and gradient, whatever averages the objective takes, and its code need
not know that it is shared out.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from rmkeras.distribute.share import Alone
from rmkeras.errors import RmkerasError
from rmkeras.rl.decoding import Samples
from rmkeras.text.tokenizer import PAD_ID, pad


class Sharing:
    """What an `OnlineTrainer` does when others share its batches.

    Attributes:
        share: Its share; `Alone` until `share_out`.
    """

    share = Alone()

    def share_out(self, share):
        """Makes this one of several trainers that share each batch's rows.

        Args:
            share: Its share, see `rmkeras.rl.shared`; all have the same policy,
                options and seed.

        Raises:
            RmkerasError: If a batch cannot be shared out to so many.
        """
        check_share(self, share)
        self.share = share
        self._gradients = tf.function(self._own_gradients, **self._compiled)
        self._apply = tf.function(
            lambda g: self.optimizer.apply(g, self.variables), autograph=False
        )
        self._their_log_probs = tf.function(
            lambda batch: self._forward(batch, self.reference)[0],
            **self._compiled,
        )

    def _draw_own(self):
        """Draws this one's rows, and gets those of the others."""
        size = self.batch_size
        if self.prompts is None:
            rows, samples, numbers = [self.policy.start_ids] * size, 1, None
        else:
            size //= self.samples
            numbers, samples = self._next_prompts(), self.samples
            rows = [self._rows[i] for i in numbers]
            numbers = np.repeat(numbers, samples)
        first, last = self.share.rows(size)
        drawn = self.sampler(
            rows[first:last],
            seed=self.seed,
            samples=samples,
            first_row=self.steps_done * size + first,
        )
        every = [row for row in rows for _ in range(samples)]
        return gather_samples(self, drawn, every), numbers

    def _scores_of_all(self, samples, numbers):
        """Scores this one's rows, or all of them where a score is no row's alone."""
        if self.share.count == 1:
            return self._scores(samples, numbers)
        if self.reward.looks_at_batch:
            scores = np.zeros(self.batch_size, "float32")
            if self.share.is_chief:
                scores = np.asarray(self._scores(samples, numbers), "float32")
            return self.share.of_chief([scores])[0]
        unit = 1 if self.prompts is None else self.samples
        first, last = self.share.rows(self.batch_size, unit)
        part = Samples(*(x[first:last] for x in samples))
        scores = self._scores(part, None if numbers is None else numbers[first:last])
        scores = np.asarray(scores, "float32")
        return self.share.gather(scores, self.batch_size, unit)

    def _with_reference(self, batch):
        """Adds the reference's log-probabilities, each replica's rows by itself."""
        if self.share.count == 1:
            return batch
        first, last = self.share.rows(self.batch_size)
        mine = {k: batch[k][first:last] for k in ("prompt_ids", "ids")}
        mine = self._their_log_probs(mine)
        theirs = self.share.gather(mine, self.batch_size)
        return {**batch, "reference": tf.constant(theirs)}

    def _own_gradients(self, batch, beta):
        """Gradients of this one's part of the objective, and its part of the logs."""
        rows = self.share.rows(batch["ids"].shape[0], self.row_unit)
        with tf.GradientTape() as tape:
            loss, logs = shared_objective(self, batch, rows, beta, self._forward)
        gradients = tape.gradient(loss, self.variables)
        gradients = [
            tf.zeros_like(v) if g is None else tf.convert_to_tensor(g)
            for g, v in zip(gradients, self.variables, strict=True)
        ]
        return gradients, {"loss": loss, **logs}

    def update(self, batch, beta):
        """One update on a batch, whoever computes which of its rows.

        Args:
            batch: A dict of tensors, the whole batch's.
            beta: The KL coefficient.

        Returns:
            The update's report.
        """
        if self.share.count == 1:
            return self._update(batch, beta)
        gradients, logs = self._gradients(batch, beta)
        *gradients, values = self.share.sum(
            [*gradients, np.array([float(v) for v in logs.values()], "float32")]
        )
        self._apply([tf.constant(g) for g in gradients])
        return dict(zip(logs, values.tolist(), strict=True))


def shared_objective(trainer, batch, rows, beta, forward):
    """This replica's part of the objective and of what is reported.

    Args:
        trainer: An `OnlineTrainer`.
        batch: The whole batch.
        rows: First row of this replica's, and the one after the last.
        beta: The KL coefficient.
        forward: From rows of the batch to log-probabilities, logits and hidden
            states.

    Returns:
        The part of the loss, and a dict of parts; the sums over all replicas are the
        whole batch's.
    """
    first, last = rows
    mine = {k: batch[k][first:last] for k in ("prompt_ids", "ids")}
    computed = forward(mine)
    constant = batch.get("log_probs", batch["reference"])
    total = constant.shape[0]
    before, after = first, total - last

    def around(values, like=None):
        """The whole batch's tensor, of which these rows alone are not constant."""
        if like is not None:
            return tf.concat([like[:first], values, like[last:]], axis=0)
        empty = [[0, 0]] * (values.shape.rank - 1)
        return tf.pad(values, [[before, after], *empty])

    log_probs, logits, hidden = computed
    loss, found = trainer.whole_objective(
        batch, around(log_probs, constant), around(logits), around(hidden), beta
    )
    nothing = [tf.zeros((total, *x.shape[1:]), x.dtype) for x in (logits, hidden)]
    loss_0, found_0 = trainer.whole_objective(batch, constant, *nothing, beta)
    away = 1.0 - 1.0 / trainer.share.count
    return loss - away * loss_0, {k: v - away * found_0[k] for k, v in found.items()}


def check_share(trainer, share):
    """Refuses batches that cannot be shared out.

    Args:
        trainer: An `OnlineTrainer`.
        share: Its share.

    Raises:
        RmkerasError: If some replica would get no row.
    """
    groups = (
        trainer.batch_size
        if trainer.prompts is None
        else (trainer.batch_size // trainer.samples)
    )
    least = min(groups, trainer.batch_size // trainer.minibatches // trainer.row_unit)
    if least < share.count:
        raise RmkerasError(
            f"a batch of {trainer.batch_size} samples has {least} parts that can be "
            f"shared out, and there are {share.count} replicas; expected a batch size "
            f"(over samples a prompt, over minibatches) of {share.count} or more"
        )


def gather_samples(trainer, drawn, prompt_rows):
    """Puts together the samples that all have drawn.

    Args:
        trainer: An `OnlineTrainer`.
        drawn: This one's `Samples`.
        prompt_rows: Lists of ids of all prompts, one a sample.

    Returns:
        `Samples` of the whole batch.
    """
    total = trainer.batch_size
    unit = 1 if trainer.prompts is None else trainer.samples
    found = [
        trainer.share.gather(np.array(x), total, unit)
        for x in (drawn.ids, drawn.log_probs, tf.cast(drawn.ended, tf.int32))
    ]
    ids = tf.constant(found[0])
    prompts = pad(prompt_rows, max(map(len, prompt_rows)), left=True)
    return Samples(
        ids,
        tf.constant(found[1]),
        ids != PAD_ID,
        tf.constant(prompts),
        tf.constant(found[2].astype(bool)),
    )
