"""The command `align`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from rmkeras._cli_models import add_json, positive
from rmkeras.errors import RmkerasError
from rmkeras.quiet import import_tensorflow

NAMES = (
    "reinforce",
    "rloo",
    "grpo",
    "ppo",
    "q-learning",
    "dpo",
    "rejection-sampling",
    "best-of-n",
)


def add_commands(commands) -> None:
    """Adds the command.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    align = commands.add_parser(
        "align",
        help="improve a language model against a reward",
        description="Improve a language model against a reward, with KL to where it "
        "began. A table of samples is shown every N steps. Ctrl-C saves what was "
        "learned; --resume goes on to the same result.",
    )
    add = align.add_argument
    add("--algorithm", choices=NAMES, required=True)
    add("--policy", metavar="DIR", required=True, help="a language model's folder")
    add(
        "--reward",
        metavar="DIR|NAME",
        nargs="+",
        help="a reward model's folder; length[:WORDS], format:PATTERN, forbid:WORD,…, "
        "repetition[:N], readability; bleu, rouge[:KIND], chrf, exact (these compare "
        "with the completions of --prompts); FILE.py:FUNCTION. Several are added, each "
        "perhaps with a weight: 0.5*length:20",
    )
    add("--prompts", metavar="FILE", help="what to go on from; else texts begin anew")
    add("--valid", metavar="FILE", help="held-out prompts for the looks")
    add("--data", metavar="FILE", help="comparisons, for dpo without a reward")
    add("--steps", type=positive, default=50)
    add("--epochs", type=positive, default=1, help="passes over --data")
    add("--batch-size", type=positive, default=64, help="samples a step")
    add("--samples", type=positive, help="samples a prompt; n of best-of-n")
    add("--max-new-tokens", type=positive, default=32)
    add("--temperature", type=float, default=1.0)
    add("--learning-rate", type=float)
    add("--kl-coefficient", type=float, metavar="BETA")
    add("--kl-target", type=float, metavar="NATS", help="adapt BETA to hold this KL")
    add("--kl-budget", type=float, metavar="NATS", help="stop when KL reaches this")
    add("--entropy-coefficient", type=float, default=0.0)
    add(
        "--unfinished-reward",
        type=float_or_none,
        default=-1.0,
        metavar="R|none",
        help="score of samples that do not end (default: -1)",
    )
    add("--length-penalty", type=float, default=0.0, help="taken off for each token")
    add("--whiten-rewards", action="store_true")
    add("--reward-clip", type=float)
    add("--adapt", choices=["none", "scale", "lagging"], default="none")
    add("--ensemble", choices=["mean", "minimum", "cautious"])
    add("--with-prompts", action="store_true", help="reward models read prompts too")
    add("--human", metavar="FILE", help="ask you about some samples; answers go here")
    add(
        "--judge", metavar="DIR", help="a reward model to measure with, not to train on"
    )
    add(
        "--set",
        metavar="OPTION=VALUE",
        nargs="+",
        default=[],
        help="an option of the algorithm's class, such as clip=0.1 or baseline=learned",
    )
    add("--every", type=positive, default=10, help="steps between two looks")
    add("--look", type=positive, default=64, help="samples a look")
    add("--log-dir", metavar="DIR", help="curves for TensorBoard")
    add("--seed", type=int, default=0)
    add("--resume", action="store_true")
    add("--out", metavar="DIR", required=True)
    add_json(align)
    align.set_defaults(handler=_align)


def float_or_none(text):
    """Reads a number, or the word none, for `type=` of an option.

    Args:
        text: What was typed.

    Returns:
        A float or `None`.
    """
    return None if text.lower() == "none" else float(text)


def _align(arguments):
    from rmkeras.cli import say

    out = Path(arguments.out)
    if not arguments.resume and (out / "model.keras").exists():
        raise RmkerasError(
            f"{out} already holds a model; go on with --resume, or choose another --out"
        )
    offline = arguments.data is not None
    if offline and arguments.algorithm != "dpo":
        raise RmkerasError(
            f"--data is for --algorithm dpo; {arguments.algorithm} learns from samples "
            "and needs --reward"
        )
    if not offline and not arguments.reward:
        raise RmkerasError("give --reward, or for dpo --data with comparisons")
    import_tensorflow()
    from rmkeras._cli_language import load_language_model
    from rmkeras.data import read_prompts

    policy = load_language_model(arguments.policy)
    if offline:
        return _align_offline(arguments, policy, out, say)
    prompts = valid = (None, None)
    if arguments.prompts:
        prompts = read_prompts(arguments.prompts, say)
    if arguments.valid:
        valid = read_prompts(arguments.valid, say)
    reward, judge = _rewards(arguments)
    prompts, valid = (_that_fit(policy, p, arguments, say) for p in (prompts, valid))
    if arguments.algorithm == "best-of-n":
        return _best_of_n(arguments, policy, reward, judge, prompts, out)
    return _online(arguments, policy, reward, judge, prompts, valid, out, say)


def _rewards(arguments):
    from rmkeras.rewards import named_reward

    reward = named_reward(
        arguments.reward,
        arguments.ensemble,
        arguments.with_prompts,
        arguments.adapt,
        arguments.human,
    )
    judge = None
    if arguments.judge:
        judge = named_reward(arguments.judge, with_prompts=arguments.with_prompts)
    return reward, judge


def _that_fit(policy, found, arguments, say):
    """Leaves prompts out that leave no room for a completion, and says so."""
    prompts, references = found
    if prompts is None:
        return found
    room = policy.max_length + 1 - arguments.max_new_tokens
    lengths = [len(row) for row in policy.encode_prompts(prompts)]
    fits = [i for i, length in enumerate(lengths) if length <= room]
    if not fits:
        raise RmkerasError(
            f"no prompt leaves room for {arguments.max_new_tokens} tokens: the policy "
            f"has {policy.max_length} positions and the shortest prompt has "
            f"{min(lengths)} tokens. Lower --max-new-tokens"
        )
    if len(fits) < len(prompts):
        say(
            f"{len(prompts) - len(fits)} of {len(prompts)} prompts are too long for "
            f"{policy.max_length} tokens and are left out"
        )
    wanted = None if references is None else [references[i] for i in fits]
    return [prompts[i] for i in fits], wanted


def _options(arguments):
    """What was typed, for the method's class; what was not is left to it."""
    found = {
        "batch_size": arguments.batch_size,
        "max_new_tokens": arguments.max_new_tokens,
        "temperature": arguments.temperature,
        "entropy_coefficient": arguments.entropy_coefficient,
        "unfinished_reward": arguments.unfinished_reward,
        "length_penalty": arguments.length_penalty,
        "whiten_rewards": arguments.whiten_rewards,
        "reward_clip": arguments.reward_clip,
        "kl_target": arguments.kl_target,
        "seed": arguments.seed,
    }
    for name in ("samples", "learning_rate", "kl_coefficient"):
        if getattr(arguments, name) is not None:
            found[name] = getattr(arguments, name)
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise RmkerasError(f"--set {text}: expected OPTION=VALUE, such as clip=0.1")
        try:
            found[name] = json.loads(value.lower())
        except ValueError:
            found[name] = value
    return found


def _online(arguments, policy, reward, judge, prompts, valid, out, say):
    from rmkeras.cli import print_json
    from rmkeras.rl.algorithms import ALGORITHMS
    from rmkeras.rl.alignment import Look, align

    kind, defaults = ALGORITHMS[arguments.algorithm]
    options = {**defaults, **_options(arguments)}
    try:
        trainer = kind(
            policy, reward, prompts=prompts[0], references=prompts[1], **options
        )
    except (TypeError, ValueError) as error:
        raise RmkerasError(f"{arguments.algorithm}: {error}") from error
    look = Look(trainer, arguments.look, *valid, judge=judge)

    def show(step, found, rows):
        numbers = ", ".join(f"{k} {v:.2f}" for k, v in found.items())
        say(f"\nstep {step}: {numbers}")
        for row in rows[:5]:
            text = " ".join(f"{row['prompt']} → {row['completion']}".split())
            say(f"  {row['reward']:7.2f}  {text[:100]}")

    again = [a for a in sys.argv[1:] if a != "--resume"] + ["--resume"]
    try:
        run = align(
            trainer,
            arguments.steps,
            look,
            arguments.every,
            arguments.kl_budget,
            out,
            arguments.resume,
            log_dir=arguments.log_dir,
            label=arguments.algorithm,
            show=show,
            how_to_resume=f"rmkeras {shlex.join(again)}",
        )
    except FloatingPointError as error:
        raise RmkerasError(str(error)) from error
    _write_samples(out, run["samples"])
    first, last = run["looks"][0], run["looks"][-1]
    result = {
        "out": str(out),
        "algorithm": arguments.algorithm,
        "steps": trainer.steps_done,
        "stopped_by": run["stopped_by"],
        "before": {k: v for k, v in first.items() if k != "step"},
        "after": {k: v for k, v in last.items() if k != "step"},
        "seconds": round(run["seconds"], 1),
    }
    if arguments.json:
        print_json(result)
        return 0
    why = "the KL budget is spent" if run["stopped_by"] == "kl" else "all steps done"
    print(f"{trainer.steps_done} steps in {run['seconds']:.0f} s, {why}.")
    for name in first:
        if name != "step":
            print(f"  {name:10s} {first[name]:8.3f} → {last[name]:8.3f}")
    print(f"Saved in {out}; sample with: rmkeras generate {out}")
    return 0


def _best_of_n(arguments, policy, reward, judge, prompts, out):
    from rmkeras.cli import print_json
    from rmkeras.metrics import distinct_n
    from rmkeras.rl import BestOfN, Sampler, best_of_n_curve, best_of_n_kl

    if arguments.resume:
        raise RmkerasError("best-of-n trains nothing, so there is nothing to resume")
    n = arguments.samples or 16
    asked, wanted = prompts
    if asked is None:
        asked = [""] * arguments.batch_size
    try:
        sampler = Sampler(policy, arguments.max_new_tokens, arguments.temperature)
    except ValueError as error:
        raise RmkerasError(str(error)) from error
    texts, scores, everything = BestOfN(sampler, reward, n)(
        asked, wanted, arguments.seed
    )
    rows = [
        {"prompt": p, "completion": t, "reward": round(float(s), 4)}
        for p, t, s in zip(asked, texts, scores, strict=True)
    ]
    ns = [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k < n] + [n]
    result = {
        "out": str(out),
        "algorithm": "best-of-n",
        "n": n,
        "kl": best_of_n_kl(n),
        "curve": dict(
            zip(map(str, ns), best_of_n_curve(everything, ns=ns), strict=True)
        ),
        "reward": float(scores.mean()),
        "distinct2": distinct_n(texts, 2),
    }
    if judge is not None:
        result["judge"] = float(judge(texts, asked, wanted).mean())
    out.mkdir(parents=True, exist_ok=True)
    _write_samples(out, rows)
    if arguments.json:
        print_json(result)
        return 0
    print(f"The best of {n}: reward {result['reward']:.3f}, KL {result['kl']:.2f} nats")
    for k, value in result["curve"].items():
        print(f"  n = {k:>4s}  reward {value:8.3f}")
    print(
        f"The best completions are in {out / 'samples.jsonl'}. Nothing was trained; "
        "--algorithm rejection-sampling teaches them to the policy"
    )
    return 0


def _align_offline(arguments, policy, out, say):
    from rmkeras.cli import print_json
    from rmkeras.data.usable import usable_records
    from rmkeras.rl import train_dpo
    from rmkeras.rl.alignment import forget_compilation

    if arguments.resume:
        raise RmkerasError("dpo on --data takes minutes and cannot be resumed")

    def read(name):
        kind, records = usable_records(name, say)
        if kind != "preference":
            raise RmkerasError(
                f"{name} holds records of type {kind}; dpo expects comparisons: "
                "fields chosen and rejected, and perhaps prompt"
            )
        return list(records() if callable(records) else records)

    more = {}
    for name in ("kl_coefficient", "learning_rate"):
        if getattr(arguments, name) is not None:
            more["beta" if name == "kl_coefficient" else name] = getattr(
                arguments, name
            )
    records = read(arguments.data)
    history = train_dpo(
        policy,
        records,
        read(arguments.valid) if arguments.valid else (),
        arguments.epochs,
        min(arguments.batch_size, 16),
        seed=arguments.seed,
        say=say,
        **more,
    )
    forget_compilation(policy)
    out.mkdir(parents=True, exist_ok=True)
    policy.save(out / "model.keras")
    result = {"out": str(out), "algorithm": "dpo", "n": len(records)}
    result |= {k: v[-1] for k, v in history.items()}
    if arguments.json:
        print_json(result)
        return 0
    names = [k for k in ("loss", "accuracy", "val_loss", "val_accuracy") if k in result]
    scores = ", ".join(f"{k} {result[k]:.4f}" for k in names)
    print(f"Trained on {result['n']:,} comparisons: {scores}")
    print(f"Saved in {out}; sample with: rmkeras generate {out}")
    return 0


def _write_samples(out, rows):
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (out / "samples.jsonl").write_text("".join(lines), "utf8")
