"""What `align` does around every algorithm: the run, its table, its last words."""

from __future__ import annotations

import json
import shlex
import sys

from rmkeras.errors import RmkerasError


def run_align(arguments, trainer, steps, look, out, say, **more):
    """Runs `rmkeras.rl.align` with the options that were typed.

    Args:
        arguments: What was parsed.
        trainer, steps, look: See `rmkeras.rl.align`.
        out: Folder.
        say: Takes a line.
        **more: Options of `rmkeras.rl.align`.

    Returns:
        What `rmkeras.rl.align` returns.

    Raises:
        RmkerasError: If the loss is not finite, or the reward fails.
    """
    from rmkeras.rl.alignment import align

    def show(step, found, rows):
        if not rows:
            return
        numbers = ", ".join(f"{k} {v:.2f}" for k, v in found.items())
        say(f"\nstep {step}: {numbers}")
        for row in rows[:5]:
            text = " ".join(f"{row['prompt']} → {row['completion']}".split())
            say(f"  {row['reward']:7.2f}  {text[:100]}")

    again = [a for a in sys.argv[1:] if a != "--resume"] + ["--resume"]
    how = {
        "every": arguments.every,
        "kl_budget": arguments.kl_budget,
        "out": out,
        "resume": arguments.resume,
        "save_every": arguments.save_every,
        "log_dir": arguments.log_dir,
        "label": arguments.algorithm,
        "show": show,
        "how_to_resume": f"rmkeras {shlex.join(again)}",
    }
    try:
        run = align(trainer, steps, look, **{**how, **more})
    except FloatingPointError as error:
        raise RmkerasError(str(error)) from error
    return run


def outcome(arguments, trainer, run, out, **more):
    """What `--json` prints of a run that trained.

    Args:
        arguments: What was parsed.
        trainer, run: What ran, and what `run_align` returned.
        out: Folder.
        **more: What the algorithm adds.

    Returns:
        A dict.
    """
    first, last = run["looks"][0], run["looks"][-1]
    return {
        "out": str(out),
        "algorithm": arguments.algorithm,
        **more,
        "steps": trainer.steps_done,
        "stopped_by": run["stopped_by"],
        "before": {k: v for k, v in first.items() if k != "step"},
        "after": {k: v for k, v in last.items() if k != "step"},
        "seconds": round(run["seconds"], 1),
    }


def tell(result):
    """Prints a run's outcome for people.

    Args:
        result: What `outcome` returned.
    """
    spent = result["stopped_by"] == "kl"
    why = "the KL budget is spent" if spent else "all steps done"
    print(f"{result['steps']} steps in {result['seconds']:.0f} s, {why}.")
    for name, before in result["before"].items():
        print(f"  {name:10s} {before:8.3f} → {result['after'][name]:8.3f}")
    print(f"Saved in {result['out']}; sample with: rmkeras generate {result['out']}")


def write_samples(out, rows):
    """Writes samples with their rewards.

    Args:
        out: Folder.
        rows: A list of dicts.
    """
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (out / "samples.jsonl").write_text("".join(lines), "utf8")


def that_fit(policy, found, arguments, say):
    """Leaves prompts out that leave no room for a completion, and says so.

    Args:
        policy: A language model.
        found: Prompts and references, each a list or `None`.
        arguments: What was parsed.
        say: Takes a line.

    Returns:
        The same pair, shorter.

    Raises:
        RmkerasError: If none fits.
    """
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


def set_options(arguments):
    """Reads `--set OPTION=VALUE …`.

    Args:
        arguments: What was parsed.

    Returns:
        A dict.

    Raises:
        RmkerasError: If there is no `=`.
    """
    found = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise RmkerasError(f"--set {text}: expected OPTION=VALUE, such as clip=0.1")
        try:
            found[name] = json.loads(value.lower())
        except ValueError:
            found[name] = value
    return found
