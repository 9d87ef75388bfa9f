"""`align --data FILE`: DPO on comparisons, Q-learning (ILQL) on rated completions."""

from __future__ import annotations

from rmkeras._cli_align_run import (
    outcome,
    run_align,
    set_options,
    tell,
    that_fit,
    write_samples,
)
from rmkeras._cli_options import template_of
from rmkeras.errors import RmkerasError

OFFLINE = ("dpo", "ilql")
OF_SAMPLES = {
    "human": None,
    "samples": None,
    "temperature": 1.0,
    "kl_target": None,
    "entropy_coefficient": 0.0,
    "unfinished_reward": -1.0,
    "length_penalty": 0.0,
    "adapt": "none",
}
"""Options that only learning from samples has, and their defaults."""
OF_OTHERS = {
    "dpo": {"reward": None, "whiten_rewards": False, "reward_clip": None},
    "ilql": {"kl_coefficient": None, "epochs": None},
}
SET = {
    "dpo": ("kind", "label_smoothing"),
    "ilql": (
        "cloning",
        "conservatism",
        "discount",
        "expectile",
        "follow",
        "sharpness",
    ),
}
COMPLETIONS = "ratings, labelled completions, or completions that --reward rates"


def align_offline(arguments, policy, out, say):
    """Learns from a file.

    Args:
        arguments: What was parsed.
        policy: A language model.
        out: Folder.
        say: Takes a line.

    Returns:
        The exit status.
    """
    from rmkeras.cli import print_json
    from rmkeras.rewards import named_reward
    from rmkeras.rl import Look

    name = arguments.algorithm
    check_options(arguments)
    options = set_options(arguments)
    unknown = sorted(set(options) - set(SET[name]))
    if unknown:
        known = " and ".join([", ".join(SET[name][:-1]), SET[name][-1]])
        raise RmkerasError(f"--set {unknown[0]}: {name} on --data knows {known}")
    for option, value in options.items():
        if option != "kind" and not isinstance(value, int | float):
            raise RmkerasError(f"--set {option}={value}: expected a number")
    for option, own in (("learning_rate", "learning_rate"), ("kl_coefficient", "beta")):
        if getattr(arguments, option) is not None:
            options[own] = getattr(arguments, option)
    make = _dpo if name == "dpo" else _ilql
    trainer, steps, records, finish = make(arguments, policy, options, say)
    judge = None
    if arguments.judge:
        judge = named_reward(arguments.judge, with_prompts=arguments.with_prompts)
    shown = _shown(arguments, trainer.policy, records, say)
    trainer.max_new_tokens = arguments.max_new_tokens
    try:
        look = Look(trainer, arguments.look, *shown, judge=judge)
    except ValueError as error:
        raise RmkerasError(f"{name}: {error}") from error
    run = run_align(arguments, trainer, steps, look, out, say)
    write_samples(out, run["samples"])
    more = {"n": len(records), **finish(run)}
    result = outcome(arguments, trainer, run, out, **more)
    if arguments.json:
        print_json(result)
        return 0
    numbers = ", ".join(f"{k} {v:.4f}" for k, v in more.items() if k != "n")
    print(f"Trained on {result['n']:,} records: {numbers}")
    tell(result)
    return 0


def check_options(arguments):
    """Refuses options that say nothing to a method that draws no samples.

    Args:
        arguments: What was parsed.

    Raises:
        RmkerasError: If one of them was typed.
    """
    name = arguments.algorithm
    for option, default in {**OF_OTHERS[name], **OF_SAMPLES}.items():
        if getattr(arguments, option) != default:
            typed = "--" + option.replace("_", "-")
            use = "; --judge measures samples" if option == "reward" else ""
            raise RmkerasError(
                f"{typed} is for other algorithms: {name} on --data learns from the "
                f"file alone{use}. Leave {typed} out"
            )


def _dpo(arguments, policy, options, say):
    from rmkeras.rl import OfflineDPO

    def read(file):
        kind, records = _records(file, arguments, say)
        if kind != "preference":
            raise RmkerasError(
                f"{file} holds records of type {kind}; dpo expects comparisons: "
                "fields chosen and rejected, and perhaps prompt"
            )
        return records

    records = read(arguments.data)
    valid = read(arguments.valid) if arguments.valid else ()
    how = {"epochs": arguments.epochs or 1, "batch_size": arguments.batch_size or 16}
    how |= {"seed": arguments.seed, "say": say}
    try:
        trainer = OfflineDPO(policy, records, valid, **how, **options)
    except (TypeError, ValueError) as error:
        raise RmkerasError(f"dpo: {error}") from error
    steps = min(trainer.steps, arguments.steps or trainer.steps)
    return trainer, steps, records, lambda run: trainer.last()


def _ilql(arguments, policy, options, say):
    import numpy as np

    from rmkeras.models import ILQLModel
    from rmkeras.rl import ILQL, frozen_copy
    from rmkeras.rl.ilql import last_losses

    prompts, texts, rewards, reward = _rated(arguments, say)
    if arguments.whiten_rewards:
        rewards = rewards / np.sqrt(rewards.var() + 1e-8)
    if arguments.reward_clip is not None:
        rewards = np.clip(rewards, -arguments.reward_clip, arguments.reward_clip)
    how = {"steps": arguments.steps or 600, "batch_size": arguments.batch_size or 64}
    how |= {"prompts": prompts, "seed": arguments.seed}
    try:
        sharpness = float(options.pop("sharpness", 16.0))
        model = ILQLModel.from_policy(policy, sharpness, arguments.seed)
        reference = frozen_copy(policy)
        trainer = ILQL(model, texts, rewards, reference=reference, **how, **options)
    except (TypeError, ValueError) as error:
        raise RmkerasError(f"ilql: {error}") from error
    if trainer.cut:
        say(
            f"{trainer.cut} of {len(texts)} texts are longer than the policy's "
            f"{policy.max_length} tokens and were cut"
        )
    trainer.reward = reward
    records = list(zip(prompts, texts, strict=True))
    return trainer, trainer.steps, records, lambda run: last_losses(run["steps"])


def _rated(arguments, say):
    """Prompts, completions and their rewards, and what else can rate, or `None`."""
    import numpy as np

    from rmkeras.data.usable import as_ratings
    from rmkeras.rewards import named_reward

    file = arguments.data
    kind, records = _records(file, arguments, say)
    if kind in ("rating", "unpaired-preference"):
        if arguments.reward:
            raise RmkerasError(
                f"{file} says itself what its completions are worth; leave out "
                "--reward, or give a file of completions alone"
            )
        records = as_ratings(kind, records)
        rewards = np.array([r.rating for r in records], "float32")
        return (
            [r.prompt or "" for r in records],
            [r.text for r in records],
            rewards,
            None,
        )
    fields = {"prompt-completion": "completion", "text": "text"}
    if kind not in fields:
        raise RmkerasError(
            f"{file} holds records of type {kind}; ilql expects {COMPLETIONS}"
        )
    if not arguments.reward:
        raise RmkerasError(
            f"{file} holds records of type {kind}, without ratings; ilql expects "
            f"{COMPLETIONS}. Give --reward"
        )
    reward = named_reward(arguments.reward, arguments.ensemble, arguments.with_prompts)
    if "references" in reward.needs:
        raise RmkerasError(
            f"--reward {reward.name} compares with references, and the completions in "
            f"{file} are what is to be rated; choose another reward"
        )
    texts = [getattr(r, fields[kind]) for r in records]
    prompts = [getattr(r, "prompt", None) or "" for r in records]
    return prompts, texts, reward(texts, prompts), reward


def _records(file, arguments, say):
    from rmkeras.data.usable import usable_records

    kind, records = usable_records(
        file, say, template=template_of(arguments, arguments.policy)
    )
    return kind, list(records() if callable(records) else records)


def _shown(arguments, policy, records, say):
    """What the looks go on from: the prompts given, or those of the data."""
    from rmkeras.data import read_prompts

    file = arguments.prompts
    if file is None and arguments.algorithm == "ilql":
        file = arguments.valid
    if file is not None:
        found = read_prompts(file, say, template_of(arguments, arguments.policy))
        return that_fit(policy, found, arguments, say)
    prompts = [r[0] if isinstance(r, tuple) else r.prompt or "" for r in records]
    if not all(prompts):
        return None, None
    some = list(dict.fromkeys(prompts))[: arguments.look]
    return that_fit(policy, (some, None), arguments, say)
