"""The command `align`."""

from __future__ import annotations

from pathlib import Path

from rmkeras._cli_align_best import best_of_n
from rmkeras._cli_align_offline import COMPLETIONS, OFFLINE, align_offline
from rmkeras._cli_align_run import (
    outcome,
    run_align,
    set_options,
    tell,
    that_fit,
    write_samples,
)
from rmkeras._cli_options import (
    add_json,
    add_template,
    positive,
    positive_float,
    template_of,
)
from rmkeras._cli_training import add_strategy, begin, check_new
from rmkeras.errors import RmkerasError

NAMES = (
    "reinforce",
    "rloo",
    "grpo",
    "ppo",
    "q-learning",
    "dpo",
    "ilql",
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
        "began. A table of samples with their rewards is shown every N steps. Ctrl-C "
        "saves what was learned; --resume goes on to the same result, after kill -9 "
        "too. Most algorithms draw samples and score them by --reward. Two learn from "
        "a file, --data: dpo from comparisons, ilql (offline Q-learning) from rated "
        "completions.",
    )
    add = align.add_argument
    add("--algorithm", choices=NAMES, required=True)
    add("--policy", metavar="DIR", required=True, help="a language model's folder")
    add(
        "--reward",
        metavar="DIR|NAME",
        nargs="+",
        help="a reward model's folder; moderation:DIR[:THRESHOLD], which takes 1 off "
        "what such a model flags; length[:WORDS], format:PATTERN, forbid:WORD,…, "
        "repetition[:N], readability; bleu, rouge[:KIND], chrf, exact (these compare "
        "with the completions of --prompts); a function of your own, FILE.py:FUNCTION "
        "or MODULE:FUNCTION. Several are added, each perhaps with a weight: "
        "0.5*length:20",
    )
    add(
        "--prompts",
        metavar="FILE",
        help="what to go on from; else texts begin anew. With --data only the looks "
        "need it, and take the prompts of the data by default",
    )
    add(
        "--valid",
        metavar="FILE",
        help="held-out prompts for the looks; for dpo on --data held-out comparisons",
    )
    add(
        "--data",
        metavar="FILE",
        help="what to learn from without drawing samples. For dpo comparisons (chosen, "
        "rejected, perhaps prompt); for ilql ratings (text, rating, perhaps prompt), "
        "labelled completions (prompt, completion, label), or completions (prompt and "
        "completion, or text), which --reward then rates",
    )
    add_template(align)
    add(
        "--steps",
        type=positive,
        help="updates (default: 50; for ilql 600; for dpo on --data what --epochs says)",
    )
    add("--epochs", type=positive, help="passes over --data, for dpo (default: 1)")
    add(
        "--batch-size",
        type=positive,
        help="samples or records a step (default: 64; for dpo on --data 16)",
    )
    add("--samples", type=positive, help="samples a prompt; n of best-of-n")
    add(
        "--max-new-tokens",
        type=positive,
        help="default: 32; with --data, where only the looks need it, at most half of "
        "the policy's length",
    )
    add("--temperature", type=float, default=1.0)
    add(
        "--learning-rate",
        type=positive_float,
        help="size of the steps (default: what suits the algorithm)",
    )
    add("--kl-coefficient", type=float, metavar="BETA")
    add("--kl-target", type=float, metavar="NATS", help="adapt BETA to hold this KL")
    add(
        "--kl-budget",
        type=float,
        metavar="NATS",
        help="stop when the KL of a sequence reaches this: the mean of three steps; "
        "with --data that of a look. For best-of-n the most samples within it are taken",
    )
    add("--entropy-coefficient", type=float, default=0.0)
    add(
        "--unfinished-reward",
        type=float_or_none,
        default=-1.0,
        metavar="R|none",
        help="score of samples that do not end (default: -1)",
    )
    add("--length-penalty", type=float, default=0.0, help="taken off for each token")
    add(
        "--whiten-rewards",
        action="store_true",
        help="divide the rewards of a batch by their standard deviation",
    )
    add(
        "--reward-clip",
        type=positive_float,
        metavar="R",
        help="cut rewards off at R and -R (default: not)",
    )
    add(
        "--adapt",
        choices=["none", "scale", "lagging"],
        default="none",
        help="weights of several rewards: scale divides each by its standard "
        "deviation; lagging also weighs more what lags behind (default: none)",
    )
    add(
        "--ensemble",
        choices=["mean", "minimum", "cautious"],
        help="what the members of a reward model that is an ensemble say together; "
        "cautious is the mean less their spread (default: as it was saved)",
    )
    add("--with-prompts", action="store_true", help="reward models read prompts too")
    add(
        "--human",
        metavar="FILE",
        help="ask you about some samples; answers go here. With a FILE.db people rate "
        "them meanwhile on the page that annotate --db FILE.db serves",
    )
    add(
        "--judge", metavar="DIR", help="a reward model to measure with, not to train on"
    )
    add(
        "--set",
        metavar="OPTION=VALUE",
        nargs="+",
        default=[],
        help="an option of the algorithm's class, such as clip=0.1 or "
        "baseline=learned; dpo on --data: kind (dpo, ipo), label_smoothing; ilql: "
        "sharpness, expectile, conservatism, cloning, discount, follow",
    )
    add("--every", type=positive, default=10, help="steps between two looks")
    add("--look", type=positive, default=64, help="samples a look")
    add("--log-dir", metavar="DIR", help="curves for TensorBoard")
    add(
        "--save-every",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="between two checkpoints (default: 60)",
    )
    add_strategy(align)
    add("--seed", type=int, default=0)
    add("--resume", action="store_true", help="go on from the checkpoint in --out")
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
    check_new(arguments)
    template = template_of(arguments, arguments.policy)
    name, offline = arguments.algorithm, arguments.data is not None
    if offline and name not in OFFLINE:
        raise RmkerasError(
            f"--data is for --algorithm dpo and ilql; {name} learns from samples and "
            "needs --reward"
        )
    if name == "ilql" and not offline:
        raise RmkerasError(f"ilql draws no samples; give --data with {COMPLETIONS}")
    if not offline and not arguments.reward:
        if arguments.human:
            raise RmkerasError(
                "give --reward too: --human asks about some samples of a step, and "
                "what was not asked about needs a score as well"
            )
        raise RmkerasError("give --reward, or for dpo --data with comparisons")
    if not offline and arguments.epochs is not None:
        raise RmkerasError(
            "--epochs is for --data; give --steps. Passes over a step's samples are "
            "--set epochs=N"
        )
    _, strategy, _ = begin(arguments)
    from rmkeras._cli_language import load_language_model
    from rmkeras.data import read_prompts

    policy = load_language_model(arguments.policy)
    shared = strategy is not None and strategy.num_replicas_in_sync > 1
    if shared and (offline or name == "best-of-n"):
        raise RmkerasError(
            f"{name} {'on --data ' if offline else ''}runs on one device; leave out "
            "--strategy and rmkeras launch"
        )
    if arguments.max_new_tokens is None:
        half = max(1, policy.max_length // 2)
        arguments.max_new_tokens = min(32, half) if offline else 32
    if offline:
        return align_offline(arguments, policy, out, say)
    arguments.steps = arguments.steps or 50
    arguments.batch_size = arguments.batch_size or 64
    prompts = valid = (None, None)
    if arguments.prompts:
        prompts = read_prompts(arguments.prompts, say, template)
    if arguments.valid:
        valid = read_prompts(arguments.valid, say, template)
    reward, judge = _rewards(arguments)
    prompts, valid = (that_fit(policy, p, arguments, say) for p in (prompts, valid))
    if name == "best-of-n":
        return best_of_n(arguments, policy, reward, judge, prompts, out, say)
    return _online(arguments, policy, reward, judge, prompts, valid, out, say, strategy)


def _rewards(arguments):
    from rmkeras.rewards import named_reward

    page = Path(arguments.human or "").suffix in (".db", ".sqlite")
    reward = named_reward(
        arguments.reward,
        arguments.ensemble,
        arguments.with_prompts,
        arguments.adapt,
        None if page else arguments.human,
    )
    if page:
        from rmkeras.feedback.reward import StoreReward
        from rmkeras.feedback.store import Store

        reward = StoreReward(Store(arguments.human), reward)
    judge = None
    if arguments.judge:
        judge = named_reward(arguments.judge, with_prompts=arguments.with_prompts)
    return reward, judge


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
    return found | set_options(arguments)


def _online(arguments, policy, reward, judge, prompts, valid, out, say, strategy):
    from rmkeras.cli import print_json
    from rmkeras.rl.algorithms import ALGORITHMS
    from rmkeras.rl.look import Look
    from rmkeras.rl.shared import shared_trainer

    kind, defaults = ALGORITHMS[arguments.algorithm]
    options = {**defaults, **_options(arguments)}

    def make(policy):
        return kind(
            policy, reward, prompts=prompts[0], references=prompts[1], **options
        )

    try:
        trainer = shared_trainer(make, policy, strategy)
    except (TypeError, ValueError) as error:
        raise RmkerasError(f"{arguments.algorithm}: {error}") from error
    look = Look(trainer, arguments.look, *valid, judge=judge)
    run = run_align(arguments, trainer, arguments.steps, look, out, say)
    if not trainer.share.is_chief:
        return 0
    write_samples(out, run["samples"])
    result = outcome(arguments, trainer, run, out)
    if arguments.json:
        print_json(result)
    else:
        tell(result)
    return 0
