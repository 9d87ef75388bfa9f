"""Rewards by name, as they are typed on the command line."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from pathlib import Path

from rmkeras.errors import RmkerasError
from rmkeras.rewards.base import FunctionReward
from rmkeras.rewards.combined import WeightedSum
from rmkeras.rewards.human import HumanReward, ask_in_terminal
from rmkeras.rewards.learned import LearnedReward
from rmkeras.rewards.moderation import ModerationReward
from rmkeras.rewards.references import (
    BleuReward,
    ChrfReward,
    ExactMatch,
    RougeReward,
)
from rmkeras.rewards.rules import (
    ForbiddenWords,
    FormatReward,
    LengthReward,
    ReadabilityReward,
    RepetitionPenalty,
)

NAMED_REWARDS = {
    "length": lambda words="20": LengthReward(float(words)),
    "format": FormatReward,
    "forbid": lambda words: ForbiddenWords(words.split(",")),
    "repetition": lambda n="2": RepetitionPenalty(int(n)),
    "readability": ReadabilityReward,
    "bleu": BleuReward,
    "rouge": lambda kind="rougeL": RougeReward(kind),
    "chrf": ChrfReward,
    "exact": ExactMatch,
}
"""Names, and what makes a reward of the text after the colon."""


def named_reward(
    names, how=None, with_prompts=False, adapt="none", human=None, per_batch=8
):
    """Makes a reward from what a user typed.

    Args:
        names: One or more strings: `NAME`, `NAME:ARGUMENT`, the folder of a reward
            model, `moderation:DIR` or `moderation:DIR:THRESHOLD` with such a folder,
            `FILE.py:FUNCTION` or `MODULE:FUNCTION`; each perhaps after a weight and `*`, as
            in `0.5*length:20`.
        how: How an ensemble combines its members, if one is named.
        with_prompts: Whether learned rewards read prompts too.
        adapt: See `WeightedSum`.
        human: A JSON-lines file; then the person at the terminal is asked, the
            answers go there, and the named rewards are the fallback.
        per_batch: Texts of a batch to ask about.

    Returns:
        A `Reward`.

    Raises:
        RmkerasError: If a name is unknown, an argument is wrong, or a folder holds
            no reward model.

    Example:

    >>> from rmkeras.rewards import named_reward
    >>> reward = named_reward(["2*length:2", "forbid:bad,worse"])
    >>> reward(["good film", "bad film"]).tolist()
    [0.0, -1.0]
    """
    names = [names] if isinstance(names, str) else list(names)
    weights, rewards = [], []
    for name in names:
        weight, rest = 1.0, name
        head, star, tail = name.partition("*")
        if star:
            # Else it is a star in a pattern or in a path.
            with contextlib.suppress(ValueError):
                weight, rest = float(head), tail
        weights.append(weight)
        rewards.append(_one(rest, how, with_prompts))
    if len(rewards) == 1 and weights == [1.0] and adapt == "none":
        reward = rewards[0]
    else:
        reward = WeightedSum(rewards, weights, adapt)
    if human is not None:
        reward = HumanReward(ask_in_terminal, reward, per_batch, log=human)
    return reward


def _one(name, how, with_prompts):
    kind, colon, argument = name.partition(":")
    if kind in NAMED_REWARDS:
        try:
            return NAMED_REWARDS[kind](*([argument] if colon else []))
        except (TypeError, ValueError) as error:
            raise RmkerasError(f"--reward {name}: {error}") from error
    if kind == "moderation":
        return _moderation(argument, name, with_prompts)
    if kind.endswith(".py"):
        return _function(Path(kind), argument, name)
    if Path(name).exists():
        from rmkeras.models import REWARD_MODELS, load_model

        model = load_model(name, REWARD_MODELS)
        if how is not None:
            if not hasattr(model, "members"):
                raise RmkerasError(
                    f"--ensemble {how}: {name} holds one model and no ensemble; train "
                    "one with train-reward --members 3"
                )
            model.how = how
        return LearnedReward(model, Path(name).name, with_prompts)
    if colon and all(part.isidentifier() for part in kind.split(".")):
        found = _module(kind, name)
        if found is not None:
            return _callable_of(found, kind, argument, name)
    raise RmkerasError(
        f"no reward {name!r}: expected {', '.join(NAMED_REWARDS)}, moderation:DIR, the "
        "folder of a reward model, FILE.py:FUNCTION or MODULE:FUNCTION"
    )


def _moderation(argument, name, with_prompts):
    """`DIR` or `DIR:THRESHOLD`."""
    from rmkeras.models import REWARD_MODELS, load_model

    folder, threshold = argument, None
    if not Path(argument).exists():
        folder, _, number = argument.rpartition(":")
        try:
            threshold = float(number)
        except ValueError:
            folder = argument
    if not folder or not Path(folder).exists():
        raise RmkerasError(
            f"--reward {name}: no folder {folder!r}; expected moderation:DIR or "
            "moderation:DIR:THRESHOLD, DIR being that of a reward model"
        )
    model = load_model(folder, REWARD_MODELS)
    return ModerationReward(model, threshold, with_prompts=with_prompts)


def _function(file, function, name):
    """A user's own function: their code, run because they asked for it."""
    if not file.is_file():
        raise RmkerasError(f"--reward {name}: no file {file}")
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise RmkerasError(
            f"--reward {name}: {file} failed: {type(error).__name__}: {error}"
        ) from error
    return _callable_of(module, file, function, name)


def _module(module, name):
    """A module that Python finds, in the working directory too; `None` without one."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        try:
            if importlib.util.find_spec(module) is None:
                return None
        except ModuleNotFoundError:  # The package that it would be in.
            return None
        return importlib.import_module(module)
    except Exception as error:
        raise RmkerasError(
            f"--reward {name}: the module {module} failed: {type(error).__name__}: "
            f"{error}"
        ) from error
    finally:
        sys.path.remove(here)


def _callable_of(module, where, function, name):
    """The function of a module, as a reward."""
    found = getattr(module, function or "reward", None)
    if not callable(found):
        raise RmkerasError(
            f"--reward {name}: {where} has no function {function or 'reward'}; expected "
            "one that takes a list of strings and returns as many numbers"
        )
    return FunctionReward(found, function or "reward")
