"""What `generate --guard` does: a second model reads what the first one wrote."""

from __future__ import annotations


class Guard:
    """Marks samples that a reward model scores below a threshold.

    Args:
        folder: The reward model's folder.
        threshold: See `rmkeras.rewards.default_threshold` if `None`.
        with_prompts: Whether the model reads the prompt before the sample.

    Attributes:
        last: What was found last, for `--json`: `scores`, `flagged`, `threshold`.
    """

    def __init__(self, folder, threshold, with_prompts):
        from rmkeras.models import REWARD_MODELS, load_model
        from rmkeras.rewards import default_threshold

        self.model = load_model(folder, REWARD_MODELS)
        self.threshold = default_threshold(self.model)
        if threshold is not None:
            self.threshold = threshold
        self.with_prompts = with_prompts

    def marks(self, texts, prompt):
        """Scores texts.

        Args:
            texts: Strings.
            prompt: What they all go on from.

        Returns:
            A warning for each text, empty where there is none.
        """
        prompts = [prompt] * len(texts) if self.with_prompts else None
        scores = [float(s) for s in self.model.score(texts, prompts=prompts)]
        flagged = [score < self.threshold for score in scores]
        self.last = {
            "scores": [round(s, 4) for s in scores],
            "flagged": flagged,
            "threshold": self.threshold,
        }
        return [
            f"[warning: the guard gives this {score:.3g}, below {self.threshold:g}]"
            if bad
            else ""
            for score, bad in zip(scores, flagged, strict=True)
        ]
