"""The run around any online method: looks from outside, budget, checkpoints."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rmkeras.errors import RmkerasError
from rmkeras.losses.policy import kl_estimate
from rmkeras.metrics import distinct_n
from rmkeras.models.training import Board, CatchInterrupt, Interrupted
from rmkeras.rl.checkpoint import fingerprint, load_run, save_run
from rmkeras.rl.online import completion_log_probs
from rmkeras.rl.sampler import Sampler

LOOK_SEED = 999
"""Added to the run's seed for looks: always the same dice, never those of training."""


def _reference_log_probs(model, prompt_ids, ids):
    return completion_log_probs(model, prompt_ids, ids)[0]


class Look:
    """Samples from a policy with always the same dice, and measures the samples.

    Args:
        trainer: An `OnlineTrainer`.
        samples: Number of samples.
        prompts: Strings to go on from, held-out ones if there are any; the
            trainer's own if `None`.
        references: As many strings.
        judge: A `Reward` that the policy was not trained on, if there is one.
    """

    def __init__(self, trainer, samples=64, prompts=None, references=None, judge=None):
        if prompts is None:
            prompts, references = trainer.prompts, trainer.references
        self.trainer = trainer
        self.judge = judge
        self.sampler = Sampler(trainer.policy, trainer.max_new_tokens)
        numbers = [i % len(prompts) for i in range(samples)] if prompts else None
        self.count = samples
        self.prompts = numbers and [prompts[i] for i in numbers]
        self.references = references and [references[i] for i in numbers]
        self._log_probs = None

    def __call__(self):
        """Looks.

        Returns:
            A dict of `reward`, `kl` (nats a sequence, k1), `distinct2`, `length`,
            `stopped` and, if there is one, `judge`; and the list of samples, a
            dict each.
        """
        import tensorflow as tf

        trainer = self.trainer
        if self._log_probs is None:
            self._log_probs = tf.function(_reference_log_probs, autograph=False)
        drawn = self.sampler(self.prompts, self.count, trainer.seed + LOOK_SEED)
        texts = trainer.policy.tokenizer.decode(drawn.ids.numpy())
        reference = self._log_probs(trainer.reference, drawn.prompt_ids, drawn.ids)
        kl = kl_estimate(drawn.log_probs, reference, drawn.mask)
        rewards = trainer.reward(texts, self.prompts, self.references)
        found = {
            "reward": float(rewards.mean()),
            "kl": float(np.mean(kl)),
            "distinct2": distinct_n(texts, 2),
            "length": float(np.sum(drawn.mask) / self.count),
            "stopped": float(np.mean(drawn.ended)),
        }
        rows = [
            {"prompt": p, "completion": t, "reward": round(float(r), 4)}
            for p, t, r in zip(
                self.prompts or [""] * len(texts), texts, rewards, strict=True
            )
        ]
        if self.judge is not None:
            judged = self.judge(texts, self.prompts, self.references)
            found["judge"] = float(judged.mean())
            for row, score in zip(rows, judged, strict=True):
                row["judge"] = round(float(score), 4)
        return found, rows


def forget_compilation(model):
    """Drops the optimizer of an earlier training, which would be saved along.

    Args:
        model: A Keras model.
    """
    model.optimizer = None
    model.compiled = False


def align(
    trainer,
    steps,
    look=None,
    every=10,
    kl_budget=None,
    out=None,
    resume=False,
    save_every=60.0,
    log_dir=None,
    label="aligning",
    progress=True,
    show=lambda step, found, rows: None,
    how_to_resume=None,
):
    """Trains until the steps are done or the KL budget is spent.

    Args:
        trainer: An `OnlineTrainer`, freshly made: with the policy that the run
            began with, also when it is resumed.
        steps: Number of steps in all.
        look: A `Look`; one on 64 samples if `None`.
        every: Steps between two looks; the first comes before the first step.
        kl_budget: Nats a sequence. Training stops when the mean of the last three
            steps' KL reaches it.
        out: Folder for checkpoints; none are written if `None`.
        resume: Whether to go on from the checkpoint in `out`.
        save_every: Seconds between checkpoints.
        log_dir: Folder for TensorBoard.
        label: What the progress bar says.
        progress: Whether to show a bar on standard error.
        show: Called after each look with the step, the numbers and the samples.
        how_to_resume: What the message after Ctrl-C tells the user to type.

    Returns:
        A dict: `steps` and `looks`, lists of dicts; `samples`, those of the last
        look; `seconds`; and `stopped_by`, `"steps"` or `"kl"`.

    Raises:
        Interrupted: After Ctrl-C, when everything is saved.
        RmkerasError: If there is nothing to resume, or it is another run.
    """
    look = look or Look(trainer)
    forget_compilation(trainer.policy)
    run = {"steps": [], "looks": [], "seconds": 0.0}
    begun_with = fingerprint(trainer.reference)
    if resume:
        run = _restore(trainer, out, begun_with)
    started = time.monotonic() - run["seconds"]
    board, last_save = Board(log_dir), time.monotonic()
    rows = []

    def note(step):
        nonlocal rows
        found, rows = look()
        run["looks"].append({"step": step, **found})
        board.scalars({f"look/{k}": v for k, v in found.items()}, step)
        show(step, found, rows)

    def save():
        if out is None:
            return
        run["seconds"] = time.monotonic() - started
        numbers, arrays = trainer.state()
        numbers |= {"run": run, "begun_with": begun_with}
        save_run(out, trainer.policy, numbers, arrays)

    def spent():
        recent = [s["kl"] for s in run["steps"][-3:]]
        return (
            kl_budget is not None and len(recent) == 3 and np.mean(recent) >= kl_budget
        )

    if not run["looks"]:
        note(0)
    asked = _Asked()
    bar = tqdm(
        total=steps,
        initial=trainer.steps_done,
        desc=label,
        unit="step",
        leave=False,
        disable=not progress,
    )
    with bar, CatchInterrupt(asked):
        while trainer.steps_done < steps and not spent():
            logs = trainer.step()
            step = trainer.steps_done
            run["steps"].append({"step": step, **logs})
            board.scalars(logs, step)
            bar.set_postfix_str(
                f"reward {logs['reward']:.2f}, KL {logs['kl']:.1f}", refresh=False
            )
            bar.update(1)
            if step % every == 0 or step == steps or spent():
                note(step)
            if asked.asked:
                break
            if time.monotonic() - last_save > save_every:
                save()
                last_save = time.monotonic()
    run["stopped_by"] = "kl" if spent() else "steps"
    save()
    if asked.asked and trainer.steps_done < steps and not spent():
        if out is None:
            raise KeyboardInterrupt
        raise Interrupted(
            f"stopped after step {trainer.steps_done} of {steps}; the policy as it is "
            f"now is saved in {out} and can be used. Go on with: "
            f"{how_to_resume or 'align(…, resume=True)'}"
        )
    run["seconds"] = time.monotonic() - started
    return {**run, "samples": rows or look()[1]}


class _Asked:
    asked = False


def _restore(trainer, out, begun_with):
    from rmkeras.models import load_model

    if out is None or not Path(out).exists():
        raise RmkerasError(
            f"nothing to resume: {out} does not exist; leave out --resume"
        )
    numbers, arrays = load_run(out)
    if numbers["begun_with"] != begun_with:
        raise RmkerasError(
            f"{out} began with another policy than the one given now; name the same "
            "--policy as before, or start anew with another --out"
        )
    trainer.policy.set_weights(load_model(out).get_weights())
    try:
        trainer.load_state(numbers, arrays)
    except (KeyError, ValueError) as error:
        raise RmkerasError(
            f"{out} was written by another algorithm or with other options "
            f"({error}); give the same as before"
        ) from error
    run = numbers["run"]
    run.pop("stopped_by", None)
    return run
