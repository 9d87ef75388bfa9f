r"""Best of n: draw n answers, give the one that the reward likes best.

Nothing is trained. The distribution of the answer is still another one than the
model's, and how far it is away is known without sampling: with rewards that never
tie, the best of n has the density n F(r)^(n−1) times the model's, F being the
distribution of rewards, so

    KL(best of n ‖ π) = ∫ n F^(n−1) log(n F^(n−1)) dF = log n − (n − 1) / n

1. The formula is exact without ties and an upper bound with them.
2. From one set of N ≥ n samples a prompt, the expected reward of the best of n can be
   estimated for every n at once: sort them, and weigh the i-th smallest by the chance
   that it is the largest of n drawn without replacement, C(i−1, n−1) / C(N, n). That
   is unbiased and far less noisy than drawing n anew (`best_of_n_curve`).
3. What is plotted against is √KL, which grows like √log n: a million answers are only
   3.6 away.

Source: Stiennon et al. (2020), appendix G.3; Gao et al. (2022), section 3.1 and
appendix A; Beirami et al. (2024) for the bound.
"""

from __future__ import annotations

import math

import numpy as np

from rmkeras.distribute.same_run import check_alike, digest
from rmkeras.distribute.share import Alone


def best_of_n_kl(n):
    """KL from the model to the best of n: log n − (n − 1) / n, in nats.

    Args:
        n: An int from 1.

    Returns:
        A float.

    Example:

    >>> from rmkeras.rl import best_of_n_kl
    >>> round(best_of_n_kl(4), 4)
    0.6363
    """
    if n < 1:
        raise ValueError(f"n is {n}; expected 1 or more")
    return math.log(n) - (n - 1) / n


def best_of_n_curve(scores, others=None, ns=(1, 2, 4, 8, 16)):
    """What the best of n by one score has of another, without bias, for many n.

    Args:
        scores: `(N,)` or `(prompts, N)`: what the best is chosen by.
        others: The same shape: what it is measured with, such as a gold reward;
            `scores` itself if `None`.
        ns: Ints from 1 to N.

    Returns:
        A list of floats, one for each n: the mean over prompts.

    Raises:
        ValueError: If some n is not in 1 to N.

    Example:

    >>> from rmkeras.rl import best_of_n_curve
    >>> [round(r, 3) for r in best_of_n_curve([0.0, 1.0, 2.0], ns=(1, 2, 3))]
    [1.0, 1.667, 2.0]
    """
    scores = np.atleast_2d(np.asarray(scores, "float64"))
    others = scores if others is None else np.atleast_2d(np.asarray(others, "float64"))
    total = scores.shape[1]
    order = np.argsort(scores, axis=1, kind="stable")
    ranked = np.take_along_axis(others, order, axis=1).mean(axis=0)  # (N,)
    curve = []
    for n in ns:
        if not 1 <= n <= total:
            raise ValueError(f"n is {n}; expected 1 to {total}, the samples there are")
        chances = [math.comb(i, n - 1) / math.comb(total, n) for i in range(total)]
        curve.append(float(np.dot(chances, ranked)))
    return curve


def most_within(budget):
    """The largest n whose KL is within a budget.

    Args:
        budget: Nats, 0 or more.

    Returns:
        An int.

    Example:

    >>> from rmkeras.rl.best_of_n import most_within
    >>> most_within(0.64), most_within(0.63)
    (4, 3)
    """
    if budget < 0:
        raise ValueError(f"the budget is {budget} nats; expected 0 or more")
    # log n − 1 < KL, so n is below e^(budget + 1).
    low, high = 1, math.ceil(math.exp(min(budget, 40.0) + 1)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if best_of_n_kl(middle) > budget else (middle, high)
    return low


class BestOfN:
    """Samples n completions of each prompt and keeps the best.

    Args:
        sampler: A `Sampler`.
        reward: A `rmkeras.rewards.Reward`.
        n: Completions to choose from.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import BestOfN, Sampler
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> longest = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> best = BestOfN(Sampler(model, 5), longest, n=4)
    >>> texts, scores, everything = best(["a", "good"])
    >>> len(texts), everything.shape
    (2, (2, 4))
    """

    def __init__(self, sampler, reward, n=16):
        if n < 1:
            raise ValueError(f"n is {n}; expected 1 or more")
        self.sampler = sampler
        self.reward = reward
        self.n = n

    def __call__(self, prompts, references=None, seed=0, first_row=0):
        """Samples and chooses.

        Args:
            prompts: Strings; empty ones let the model begin.
            references: As many strings, for rewards that compare.
            seed: An int.
            first_row: Number of the first prompt, if these are part of a longer list.

        Returns:
            The best texts, their scores `(prompts,)`, and all scores
            `(prompts, n)`.
        """
        prompts = list(prompts)
        rows = self.sampler.model.encode_prompts(prompts)
        samples = self.sampler(rows, seed=seed, samples=self.n, first_row=first_row)
        texts = self.sampler.model.tokenizer.decode(samples.ids.numpy())
        repeat = [p for p in prompts for _ in range(self.n)]
        wanted = None
        if references is not None:
            wanted = [r for r in references for _ in range(self.n)]
        scores = self.reward(texts, repeat, wanted).reshape(-1, self.n)
        best = scores.argmax(axis=1)
        chosen = [texts[i * self.n + j] for i, j in enumerate(best)]
        return chosen, scores.max(axis=1), scores


class BestOfNRun:
    """Best of n over many prompts, part by part, so that it can be stopped.

    It has the face that `align` expects of a trainer: a step answers the next prompts.
    The policy is not changed.

    Args:
        best: A `BestOfN`.
        prompts: Strings; empty ones let the model begin.
        references: As many strings, or `None`.
        part: Prompts a step. A reward that looks at whole batches gets all at once.
        seed: Decides all draws.

    Attributes:
        steps: Steps in all.
        rows: Of each prompt answered so far, a dict with `prompt`, `completion` and
            `reward`.
        scores: All scores so far, a list of rows of n.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import BestOfN, BestOfNRun, Sampler
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> longest = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> best = BestOfN(Sampler(model, 5), longest, n=4)
    >>> run = BestOfNRun(best, ["a", "good", "film"], part=2)
    >>> while run.steps_done < run.steps:
    ...     _ = run.step()
    >>> run.steps, len(run.rows)
    (2, 3)
    """

    share = Alone()

    def __init__(self, best, prompts, references=None, part=8, seed=0):
        self.best = best
        self.policy = self.reference = best.sampler.model
        self.prompts = list(prompts)
        self.references = references
        self.part = len(self.prompts) if best.reward.looks_at_batch else part
        self.steps = -(-len(self.prompts) // self.part)
        self.seed = seed
        self._what_reward = best.reward.decides()  # Once: it reads a model's weights.
        self.steps_done, self.rows, self.scores = 0, [], []

    def set_policy(self, weights):
        """Nothing: it stays what it is."""

    def step(self):
        """Answers the next prompts.

        Returns:
            A dict of the mean reward of all samples and of the best ones.
        """
        first = self.steps_done * self.part
        rows = slice(first, first + self.part)
        wanted = None if self.references is None else self.references[rows]
        asked = self.prompts[rows]
        texts, scores, everything = self.best(asked, wanted, self.seed, first)
        self.rows += [
            {"prompt": p, "completion": t, "reward": round(float(s), 4)}
            for p, t, s in zip(asked, texts, scores, strict=True)
        ]
        self.scores += everything.tolist()
        self.steps_done += 1
        return {"reward": float(scores.mean()), "of_all": float(everything.mean())}

    def look(self):
        """Returns the numbers so far, and the last answers."""
        if not self.rows:
            return {}, []
        found = {"of_all": float(np.mean(self.scores))}
        found["reward"] = float(np.mean(np.max(self.scores, axis=1)))
        return found, self.rows[-self.part :]

    def decides(self):
        """What a run may not change on the way: see `Resuming`."""
        options = self.best.sampler.options
        return {
            "algorithm": type(self).__name__,
            "seed": self.seed,
            "samples": self.best.n,
            "part": self.part,
            "max_new_tokens": self.best.sampler.max_new_tokens,
            "temperature": options.temperature,
            "prompts": digest([self.prompts, self.references]),
            "reward": self._what_reward,
        }

    def state(self):
        """Returns numbers for JSON and arrays, which `load_state` takes back."""
        return {
            "decides": self.decides(),
            "steps_done": self.steps_done,
            "rows": self.rows,
            "reward": self.best.reward.state(),
        }, {"scores": np.array(self.scores)}

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned.

        Raises:
            ValueError: If it is that of another run.
        """
        check_alike(numbers["decides"], self.decides())
        self.steps_done, self.rows = numbers["steps_done"], numbers["rows"]
        self.scores = arrays["scores"].tolist()
        self.best.reward.load_state(numbers["reward"])
