"""Which prompts a step takes, the samples drawn from them, and their scores."""

from __future__ import annotations

import numpy as np

from rmkeras.errors import RmkerasError
from rmkeras.rewards.base import check_finite


class Prompting:
    """What an `OnlineTrainer` asks the policy, and the reward.

    Attributes:
        prompts: Strings, or `None` if the policy begins texts of its own.
        references: As many strings, or `None`.
        samples: Completions a prompt.
    """

    group_samples = 1  # completions a prompt, unless the user says otherwise
    least_group = 1

    def _take_prompts(self, prompts, references, samples):
        """Checks and keeps them; `policy`, `reward` and sizes are set before."""
        self.samples = self._checked_samples(samples, prompts)
        if prompts is not None and not len(prompts):
            raise ValueError("there are no prompts; give one or more, or None")
        if references is not None and len(references) != len(prompts or ()):
            raise ValueError(
                f"there are {len(prompts or ())} prompts and {len(references)} "
                "references; expected as many of both"
            )
        for need in self.reward.needs:
            given = prompts if need == "prompts" else references
            if given is None:
                raise RmkerasError(
                    f"the reward {self.reward.name} needs {need} and there are none; "
                    "give a file with the fields prompt and completion"
                )
        self.prompts = None if prompts is None else list(prompts)
        self.references = None if references is None else list(references)
        policy = self.policy
        self._rows = None if prompts is None else policy.encode_prompts(self.prompts)
        longest = max(map(len, self._rows or [policy.start_ids]))
        longest += self.max_new_tokens
        if longest > policy.max_length + 1:
            raise ValueError(
                f"prompt and completion may take {longest - 1} tokens and the policy "
                f"has {policy.max_length} positions; shorten the prompts or "
                "max_new_tokens"
            )

    def _checked_samples(self, samples, prompts):
        if samples is None:
            samples = self.batch_size if prompts is None else self.group_samples
        if self.batch_size % samples:
            raise ValueError(
                f"batch_size is {self.batch_size} and cannot be divided into groups of "
                f"{samples} samples"
            )
        if prompts is None and self.least_group == 1:
            return self.batch_size
        if samples < self.least_group:
            raise ValueError(
                f"samples is {samples}; this method compares the samples of one "
                f"prompt, so at least {self.least_group} are needed"
            )
        return samples

    def _next_prompts(self):
        """Numbers of this step's prompts: every epoch each once, in a new order."""
        count, size = len(self.prompts), self.batch_size // self.samples
        first = self.steps_done * size
        numbers = []
        for i in range(first, first + size):
            order = np.random.default_rng([self.seed, i // count]).permutation(count)
            numbers.append(int(order[i % count]))
        return numbers

    def _draw(self):
        if self.share.count > 1:
            return self._draw_own()
        if self.prompts is None:
            first = self.steps_done * self.batch_size
            samples = self.sampler(None, self.batch_size, self.seed, first_row=first)
            return samples, None
        numbers = self._next_prompts()
        samples = self.sampler(
            [self._rows[i] for i in numbers],
            seed=self.seed,
            samples=self.samples,
            first_row=self.steps_done * len(numbers),
        )
        return samples, np.repeat(numbers, self.samples)

    def _scores(self, samples, numbers):
        tokenizer = self.policy.tokenizer
        if not self.reward.needs and self.reward.in_graph(tokenizer):
            ids = samples.ids
            end = tokenizer.end_id
            if self.unfinished_reward is not None and end is not None:
                # What has no end gets that, whatever it scores. With an end in its
                # last place no column is added for one, and the others' scores stay
                # as they are to the last bit.
                ids = np.array(ids)
                ids[~np.asarray(samples.ended, bool), -1] = end
            scores = self._score_ids(ids).numpy()
            if not np.isfinite(scores).all():
                texts = tokenizer.decode(samples.ids.numpy())
                check_finite(scores, texts, self.reward.name)
            return scores
        texts = tokenizer.decode(samples.ids.numpy())
        prompts = references = None
        if numbers is not None:
            prompts = [self.prompts[i] for i in numbers]
            if self.references is not None:
                references = [self.references[i] for i in numbers]
        return self.reward(texts, prompts, references)
