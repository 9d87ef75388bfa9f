"""Comparisons as token ids, and what happens to those that are too long.

There is one rule, for training and for scoring alike. A pair that does not fit
loses the beginning of its prompt, the same part on both sides, and never a token
of an answer. Only where an answer alone does not fit is the answer's end cut off,
and its last id is still end-of-text. A pair whose two sides are equal afterwards
teaches nothing (the loss is ln 2 whatever the model says) and is left out. All of
it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from rmkeras.data.records import Preference
from rmkeras.errors import RmkerasError

BATCH = 1024


class TruncatedPair(NamedTuple):
    """What `truncate_pair` returns.

    Attributes:
        prompt_ids: The part of the prompt that is left.
        chosen_ids: The preferred answer, end-of-text last.
        rejected_ids: The other answer, end-of-text last.
        lost_prompt: Number of ids that the prompt lost.
        lost_answers: Number of ids that the two answers lost.

    Example:

    >>> from rmkeras.data import truncate_pair
    >>> pair = truncate_pair([5, 6], [8, 9], [8, 7], max_length=1)
    >>> pair.chosen_ids, pair.rejected_ids, pair.identical
    ([8], [8], True)
    >>> pair.lost_prompt, pair.lost_answers
    (2, 2)
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    lost_prompt: int = 0
    lost_answers: int = 0

    @property
    def identical(self) -> bool:
        """Whether both sides are the same ids."""
        return self.chosen_ids == self.rejected_ids


def truncate_pair(
    prompt_ids: Sequence[int],
    chosen_ids: Sequence[int],
    rejected_ids: Sequence[int],
    max_length: int | None,
    end_id: int | None = None,
) -> TruncatedPair:
    """Makes one pair fit by dropping the beginning of its prompt.

    Args:
        prompt_ids: Ids of the prompt, `(prompt_length,)`.
        chosen_ids: Ids of the preferred answer, `(chosen_length,)`.
        rejected_ids: Ids of the other answer, `(rejected_length,)`.
        max_length: Most ids of prompt and answer together; None for no limit.
        end_id: Id of end-of-text. It is appended to an answer that lacks it, and
            it stays the last id of an answer that has to be cut. None if the
            tokenizer has no such id.

    Returns:
        A `TruncatedPair`. `prompt_ids + chosen_ids` and
        `prompt_ids + rejected_ids` have at most `max_length` ids.

    Raises:
        RmkerasError: If `max_length` leaves no room for an answer.

    Example:

    >>> from rmkeras.data import truncate_pair
    >>> truncate_pair([5, 6, 7], [8, 1], [9, 9, 1], max_length=4, end_id=1)[:3]
    ([7], [8, 1], [9, 9, 1])

    Source: the rule for the last id is OpenRLHF's; the rule for equal pairs
    answers OpenRLHF's issue 1311.
    """
    least = 1 if end_id is None else 2
    if max_length is not None and max_length < least:
        raise RmkerasError(
            f"max_length is {max_length}; expected at least {least}, an id of the "
            "answer" + (" and end-of-text" if least == 2 else "")
        )
    prompt = list(prompt_ids)
    chosen, lost_chosen = _fit(chosen_ids, max_length, end_id)
    rejected, lost_rejected = _fit(rejected_ids, max_length, end_id)
    keep = len(prompt)
    if max_length is not None:
        keep = min(keep, max_length - max(len(chosen), len(rejected)))
    lost = len(prompt) - keep
    return TruncatedPair(
        prompt[lost:], chosen, rejected, lost, lost_chosen + lost_rejected
    )


def _fit(
    ids: Sequence[int], max_length: int | None, end_id: int | None
) -> tuple[list[int], int]:
    """An answer that fits by itself, and how many of its ids it lost."""
    ids = list(ids)
    if end_id is not None and (not ids or ids[-1] != end_id):
        ids.append(end_id)
    if max_length is None or len(ids) <= max_length:
        return ids, 0
    lost = len(ids) - max_length
    if end_id is None:
        return ids[:max_length], lost
    return [*ids[: max_length - 1], end_id], lost


@dataclass(slots=True)
class EncodingReport:
    """What became of the pairs that were encoded.

    Attributes:
        pairs: Number of pairs given.
        kept: Number of pairs encoded.
        truncated_prompts: Number of pairs that lost the beginning of the prompt.
        truncated_answers: Number of pairs of which an answer lost its end.
        became_identical: Number of pairs left out because both sides were the
            same ids: cut to the same beginning, or different only in what the
            tokenizer does not see, such as case.
        lost_prompt_ids: Number of ids that the prompts lost, all together.
        lost_answer_ids: Number of ids that the answers lost, all together.
        max_length: The limit.
        dropped: Positions of the pairs left out, counted from 0.

    Example:

    >>> from rmkeras.data import Preference, encode_pairs
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["good bad film"] * 9, 280)
    >>> pairs = [Preference("good", "bad"), Preference("good", "good")]
    >>> report = encode_pairs(tokenizer, pairs).report
    >>> report.kept, report.became_identical, report.dropped
    (1, 1, [1])
    """

    pairs: int = 0
    kept: int = 0
    truncated_prompts: int = 0
    truncated_answers: int = 0
    became_identical: int = 0
    lost_prompt_ids: int = 0
    lost_answer_ids: int = 0
    max_length: int | None = None
    dropped: list[int] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes, ready for JSON.

        Returns:
            A dictionary.
        """
        return asdict(self)

    def __str__(self) -> str:
        """Returns the counts as one sentence."""
        return (
            f"{self.kept} of {self.pairs} pairs encoded; with at most "
            f"{self.max_length or 'any number of'} ids, {self.truncated_prompts} lost "
            f"the beginning of the prompt, {self.truncated_answers} the end of an "
            f"answer, and {self.became_identical} became identical and were left out"
        )


class EncodedPair(NamedTuple):
    """One comparison as ids.

    Attributes:
        chosen: Prompt, preferred answer, end-of-text.
        rejected: Prompt, other answer, end-of-text.
        prompt_length: Number of ids before the answer, the same on both sides.
        position: Position in what was given.

    Example:

    >>> from rmkeras.data import Preference, iter_encoded_pairs
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["good bad film"] * 9, 280)
    >>> pairs = [Preference("good", "bad", prompt="film ")]
    >>> pair = next(iter_encoded_pairs(tokenizer, pairs))
    >>> tokenizer.decode([pair.chosen[pair.prompt_length :]])
    ['good']
    """

    chosen: list[int]
    rejected: list[int]
    prompt_length: int
    position: int


class EncodedPairs(NamedTuple):
    """Comparisons as ids; `chosen[i]` and `rejected[i]` belong together.

    Attributes:
        chosen: `pairs` lists of ids: prompt, preferred answer, end-of-text.
        rejected: `pairs` lists of ids: prompt, other answer, end-of-text.
        prompt_lengths: Number of ids before the answer, the same on both sides.
        kept: Position of each pair in what was given, for margins and the like.
        report: The counts.

    Example:

    >>> from rmkeras.data import Preference, encode_pairs
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["good bad film"] * 9, 280)
    >>> pairs = encode_pairs(tokenizer, [Preference("good", "bad", prompt="film ")])
    >>> shared = pairs.prompt_lengths[0]
    >>> pairs.chosen[0][:shared] == pairs.rejected[0][:shared], pairs.kept
    (True, [0])
    """

    chosen: list[list[int]]
    rejected: list[list[int]]
    prompt_lengths: list[int]
    kept: list[int]
    report: EncodingReport


def encode_pairs(
    tokenizer: Any,
    preferences: Iterable[Preference],
    max_length: int | None = None,
    start_ids: Sequence[int] = (),
) -> EncodedPairs:
    """Encodes comparisons; too long ones lose the beginning of the prompt.

    Prompt and answers are encoded apart, so that both sides share the ids of the
    prompt and the border between them is known.

    Args:
        tokenizer: Anything with `encode(texts, max_length=None, end=False)` that
            returns a list of lists of ids, and `end_id`, such as
            `rmkeras.text.SubwordTokenizer`. Without an `end_id`, or with None,
            nothing is appended.
        preferences: The comparisons.
        max_length: Most ids of one side, special ones included; None for no
            limit.
        start_ids: Ids in front of every side that are never cut, such as BERT's
            `[CLS]`.

    Returns:
        An `EncodedPairs`: the ids of both sides and a report that counts what
        was cut and what was left out.

    Raises:
        RmkerasError: If `max_length` leaves no room for an answer, or if no pair
            is left.

    Example:

    >>> from rmkeras.data import Preference, encode_pairs
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["good bad film"] * 9, 280)
    >>> pair = Preference("good", "bad", prompt="film " * 50)
    >>> pairs = encode_pairs(tokenizer, [pair], max_length=8)
    >>> len(pairs.chosen[0]), pairs.report.truncated_prompts
    (8, 1)
    """
    report = EncodingReport()
    result = EncodedPairs([], [], [], [], report)
    for pair in iter_encoded_pairs(
        tokenizer, preferences, max_length, start_ids, report
    ):
        result.chosen.append(pair.chosen)
        result.rejected.append(pair.rejected)
        result.prompt_lengths.append(pair.prompt_length)
        result.kept.append(pair.position)
    return result


def iter_encoded_pairs(
    tokenizer: Any,
    preferences: Iterable[Preference],
    max_length: int | None = None,
    start_ids: Sequence[int] = (),
    report: EncodingReport | None = None,
    none_left: bool = False,
) -> Iterator[EncodedPair]:
    """Encodes comparisons one at a time, for files that are larger than memory.

    Args:
        tokenizer: See `encode_pairs`.
        preferences: The comparisons, such as `iter_records(path)`.
        max_length: Most ids of one side; None for no limit.
        start_ids: Ids in front of every side that are never cut.
        report: Counts what happens; complete when the last pair is out. A report
            that already counted others goes on, and so do the positions.
        none_left: Whether it is fine that no pair is left. Who encodes a file in
            parts looks at the total instead.

    Yields:
        `EncodedPair`s, in order; pairs that became identical are left out.

    Raises:
        RmkerasError: As `encode_pairs`.

    Example:

    >>> from rmkeras.data import EncodingReport, Preference, iter_encoded_pairs
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["good bad film"] * 9, 280)
    >>> report = EncodingReport()
    >>> many = (Preference("good", "bad", "film") for _ in range(3000))
    >>> sum(1 for _ in iter_encoded_pairs(tokenizer, many, 8, report=report))
    3000
    >>> report.kept
    3000
    """
    report = EncodingReport() if report is None else report
    report.max_length = max_length
    end_id = getattr(tokenizer, "end_id", None)
    start = list(start_ids)
    room = None if max_length is None else max_length - len(start)
    for batch in _batches(preferences):
        columns = [
            tokenizer.encode([getattr(p, name) for p in batch], end=False)
            for name in ("prompt", "chosen", "rejected")
        ]
        for ids in zip(*columns, strict=True):
            pair = truncate_pair(*ids, room, end_id)
            position = report.pairs
            if _count(report, pair):
                prompt = start + pair.prompt_ids
                yield EncodedPair(
                    prompt + pair.chosen_ids,
                    prompt + pair.rejected_ids,
                    len(prompt),
                    position,
                )
    if report.pairs and not report.kept and not none_left:
        raise RmkerasError(f"no comparison is left to learn from: {report}")


def _batches(preferences: Iterable[Preference]):
    batch: list[Preference] = []
    for preference in preferences:
        batch.append(preference)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _count(report: EncodingReport, pair: TruncatedPair) -> bool:
    """Adds a pair to the counts; says whether it is worth learning from."""
    report.truncated_prompts += pair.lost_prompt > 0
    report.truncated_answers += pair.lost_answers > 0
    report.lost_prompt_ids += pair.lost_prompt
    report.lost_answer_ids += pair.lost_answers
    if pair.identical:
        report.became_identical += 1
        report.dropped.append(report.pairs)
    else:
        report.kept += 1
    report.pairs += 1
    return not pair.identical
