"""The run around any method: looks from outside, budget, checkpoints."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rmkeras.distribute.group import WorkerLost
from rmkeras.errors import RmkerasError
from rmkeras.models.training import Board, CatchInterrupt, Interrupted
from rmkeras.rl.checkpoint import (
    begin_run,
    fingerprint,
    load_run,
    nothing_saved,
    save_run,
)
from rmkeras.rl.look import Look


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
        trainer: An `OnlineTrainer`, an `OfflineTrainer` or a `BestOfNRun`, freshly
            made: with the policy that the run began with, also when it is resumed.
        steps: Number of steps in all.
        look: A `Look`, or what returns such a dict and list; the trainer's own, or a
            `Look` on 64 samples, if `None`.
        every: Steps between two looks; the first comes before the first step.
        kl_budget: Nats a sequence. Training stops when the mean of the last three
            steps' KL reaches it; where steps draw no samples, when a look's does.
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
        RmkerasError: If there is nothing to resume, or it is another run; if the
            reward fails. The last checkpoint is kept.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import Look, Reinforce, align
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> reward = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> trainer = Reinforce(policy, reward, batch_size=4, max_new_tokens=5)
    >>> run = align(trainer, 2, Look(trainer, samples=4), progress=False)
    >>> run["stopped_by"], len(run["steps"]), [look["step"] for look in run["looks"]]
    ('steps', 2, [0, 2])
    """
    look = look or getattr(trainer, "look", None) or Look(trainer)
    forget_compilation(trainer.policy)
    run = {"steps": [], "looks": [], "seconds": 0.0}
    begun_with = fingerprint(trainer.reference)
    if resume:
        run = _restore(trainer, out, begun_with) or run
    if out is not None and trainer.share.is_chief:
        begin_run(out)
    started = time.monotonic() - run["seconds"]
    board, last_save = Board(None), time.monotonic()
    saved = trainer.steps_done if run["looks"] else None
    rows = []

    share = trainer.share
    if share.is_chief:
        board = Board(log_dir)

    def note(step):
        nonlocal rows
        if not share.is_chief:
            return
        with _kept(out, saved):
            found, rows = look()
        run["looks"].append({"step": step, **found})
        board.scalars({f"look/{k}": v for k, v in found.items()}, step)
        show(step, found, rows)

    def save():
        nonlocal saved
        if out is None or not share.is_chief:
            return
        run["seconds"] = time.monotonic() - started
        numbers, arrays = trainer.state()
        numbers |= {"run": run, "begun_with": begun_with}
        save_run(out, trainer.policy, numbers, arrays)
        saved = trainer.steps_done

    def spent():
        if kl_budget is None or not run["steps"]:
            return False
        if "kl" not in run["steps"][-1]:
            return run["looks"][-1].get("kl", 0.0) >= kl_budget
        recent = [s["kl"] for s in run["steps"][-3:]]
        return len(recent) == 3 and np.mean(recent) >= kl_budget

    if not run["looks"]:
        note(0)
        save()  # A worker may be lost before the first one is due.
    asked = _Asked()
    bar = tqdm(
        total=steps,
        initial=trainer.steps_done,
        desc=label,
        unit="step",
        leave=False,
        disable=not (progress and share.is_chief),
    )
    with bar, CatchInterrupt(asked), _explained(out, share):
        while trainer.steps_done < steps and not spent():
            with _kept(out, saved):
                logs = trainer.step()
            step = trainer.steps_done
            run["steps"].append({"step": step, **logs})
            board.scalars(logs, step)
            bar.set_postfix_str(_in_short(logs), refresh=False)
            bar.update(1)
            if step % every == 0 or step == steps or spent():
                note(step)
            if share.count > 1:
                # All stop after the same step, whoever was asked.
                (found,) = share.sum([np.float32(asked.asked)])
                asked.asked = bool(found > 0)
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
        raise asked.stopped_by(
            f"stopped after step {trainer.steps_done} of {steps}; the policy as it is "
            f"now is saved in {out} and can be used. Go on with: "
            f"{how_to_resume or 'align(…, resume=True)'}"
        )
    run["seconds"] = time.monotonic() - started
    if share.is_chief:
        rows = rows or look()[1]
    return {**run, "samples": rows}


def _in_short(logs):
    """What the progress bar says of a step."""
    if "reward" not in logs:
        return f"loss {logs['loss']:.3f}"
    kl = f", KL {logs['kl']:.1f}" if "kl" in logs else ""
    return f"reward {logs['reward']:.2f}{kl}"


@contextlib.contextmanager
def _kept(out, saved):
    """Says of an error, such as a reward's, that the last checkpoint is kept."""
    try:
        yield
    except WorkerLost:
        raise
    except RmkerasError as error:
        if saved is None:
            raise
        raise RmkerasError(
            f"{error}. The checkpoint of step {saved} is kept in {out}; go on from it "
            "with --resume"
        ) from error


@contextlib.contextmanager
def _explained(out, share):
    """Says how to go on when a worker is lost."""
    try:
        yield
    except WorkerLost as error:
        how = f"the last checkpoint is in {out}" if out else "nothing was saved"
        raise WorkerLost(
            f"{error}; {how}. Start all {share.count} workers again, or another number, "
            "with --resume"
        ) from error


class _Asked:
    asked, stopped_by = False, Interrupted


def _restore(trainer, out, begun_with):
    from rmkeras.models import load_model

    if out is None or not Path(out).exists():
        raise RmkerasError(
            f"nothing to resume: {out} does not exist; leave out --resume"
        )
    # Ended before its first checkpoint: the start is where to go on from.
    nothing = nothing_saved(out)
    numbers, arrays = (None, None) if nothing else load_run(out)
    steps = -1 if nothing else numbers["steps_done"]
    (total,) = trainer.share.sum([np.array(steps, "int32")])
    if total != steps * trainer.share.count:
        raise RmkerasError(
            f"the workers see different checkpoints in {out} (this one has "
            f"{max(0, steps)} steps); --out has to be a folder that they share"
        )
    if nothing:
        if trainer.share.is_chief:
            tqdm.write(
                f"rmkeras: {out} holds no checkpoint yet; the run begins anew",
                file=sys.stderr,
            )
        return None
    if numbers["begun_with"] != begun_with:
        raise RmkerasError(
            f"{out} began with another policy than the one given now; name the same "
            "--policy as before, or start anew with another --out"
        )
    trainer.set_policy(load_model(out).get_weights())
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
