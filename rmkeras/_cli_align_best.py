"""`align --algorithm best-of-n`: sample, choose, train nothing."""

from __future__ import annotations

from rmkeras._cli_align_run import run_align, write_samples
from rmkeras.errors import RmkerasError


def best_of_n(arguments, policy, reward, judge, prompts, out, say):
    """Answers all prompts with the best of n.

    Args:
        arguments: What was parsed.
        policy: A language model.
        reward: A `Reward`.
        judge: Another one to measure with, or `None`.
        prompts: Prompts and references, each a list or `None`.
        out: Folder.
        say: Takes a line.

    Returns:
        The exit status.
    """
    from rmkeras.cli import print_json
    from rmkeras.metrics import distinct_n
    from rmkeras.rl import BestOfN, BestOfNRun, Sampler, best_of_n_curve, best_of_n_kl

    n = _affordable(arguments.samples or 16, arguments.kl_budget, say)
    asked, wanted = prompts
    if asked is None:
        asked = [""] * arguments.batch_size
    try:
        sampler = Sampler(policy, arguments.max_new_tokens, arguments.temperature)
    except ValueError as error:
        raise RmkerasError(str(error)) from error
    part = max(1, arguments.batch_size // n)
    best = BestOfN(sampler, reward, n)
    run = BestOfNRun(best, asked, wanted, part, arguments.seed)
    run_align(arguments, run, run.steps, None, out, say, kl_budget=None)
    texts = [row["completion"] for row in run.rows]
    ns = [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k < n] + [n]
    curve = best_of_n_curve(run.scores, ns=ns)
    result = {
        "out": str(out),
        "algorithm": "best-of-n",
        "n": n,
        "kl": best_of_n_kl(n),
        "curve": dict(zip(map(str, ns), curve, strict=True)),
        "reward": curve[-1],
        "distinct2": distinct_n(texts, 2),
    }
    if judge is not None:
        result["judge"] = float(judge(texts, asked, wanted).mean())
    write_samples(out, run.rows)
    if arguments.json:
        print_json(result)
        return 0
    print(f"The best of {n}: reward {result['reward']:.3f}, KL {result['kl']:.2f} nats")
    for k, value in result["curve"].items():
        print(f"  n = {k:>4s}  reward {value:8.3f}")
    print(
        f"The best completions are in {out / 'samples.jsonl'}. Nothing was trained: the "
        f"model in {out} is the policy as it was. --algorithm rejection-sampling teaches "
        "them to it"
    )
    return 0


def _affordable(n, budget, say):
    """The most samples whose KL, known without sampling, is within the budget."""
    from rmkeras.rl.best_of_n import best_of_n_kl, most_within

    if budget is None:
        return n
    try:
        most = most_within(budget)
    except ValueError as error:
        raise RmkerasError(f"--kl-budget: {error}") from error
    if n > most:
        say(
            f"the best of {n} is {best_of_n_kl(n):.2f} nats away, more than --kl-budget "
            f"{budget:g}; the best of {most} is taken"
        )
    return min(n, most)
