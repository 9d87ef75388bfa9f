"""Raters to try things on, out of the human ratings' single judgements."""

from __future__ import annotations

import numpy as np

from rmkeras.data import Rating, load_human_ratings

CREW_TEXTS = 30
"""Film reviews in a row that were rated by the same people."""


def film_crews(data_dir=None) -> list[tuple[list[Rating], np.ndarray]]:
    """The film reviews with who rated what, as far as the file gives it away.

    The file names nobody. But of the film reviews it lists the ratings of 30 texts
    after another in the same order of people, 15 to 29 of them: the deviations
    from the texts' means go along from text to text within such a block (a
    correlation of about 0.3), and not beyond its border. Of the other domains the
    ratings are shuffled, so there nobody can be told.

    Args:
        data_dir: The folder of prepared datasets.

    Returns:
        For each block its texts, and the ratings `(texts, people)`: column $j$ is
        one person. 354 blocks, the last one of 15 texts.

    Raises:
        RmkerasError: If the human ratings have not been prepared.

    Example:

    ```python
    texts, ratings = film_crews()[0]
    print(ratings.mean(axis=0) - ratings.mean())  # who is kind, who is strict
    ```

    Source: the data are Hutto and Gilbert (2014); the blocks are our observation.
    """
    records = load_human_ratings(
        "train+validation+test", "movieReviewSnippets", data_dir
    )
    records.sort(key=lambda r: int(r.id))
    blocks = []
    for start in range(0, len(records), CREW_TEXTS):
        texts = records[start : start + CREW_TEXTS]
        blocks.append((texts, np.array([r.ratings for r in texts], "float64")))
    return blocks


def with_clickers(
    crews, annotators: int, share: float, seed: int = 0, low: int = -4, high: int = 4
) -> dict[str, np.ndarray]:
    """Some people of each crew annotate, some of these at random; the rest judge.

    Args:
        crews: What `film_crews` returned.
        annotators: People of each crew whose ratings are used.
        share: Chance of each of them to be replaced by somebody who gives any
            number of the scale with the same chance.
        seed: Of the choice.
        low: Lowest rating.
        high: Highest.

    Returns:
        Arrays `item`, `rater` and `rating` of one entry a rating; `clicker`
        `(raters,)`; `judged` `(items,)`, the mean of the people who do not
        annotate.

    Example:

    >>> crew = ([None] * 3, np.array([[3.0, 2, 4], [0, 0, 1], [-2, -1, -3]]))
    >>> found = with_clickers([crew], annotators=2, share=0.0)
    >>> found["rating"].shape, found["judged"].shape
    ((6,), (3,))
    """
    rng = np.random.default_rng(seed)
    item, rater, rating, clicker, judged = [], [], [], [], []
    for _, ratings in crews:
        texts, people = ratings.shape
        order = rng.permutation(people)
        first = len(judged)
        for person in order[:annotators]:
            lazy = rng.random() < share
            given = rng.integers(low, high + 1, texts) if lazy else ratings[:, person]
            item += range(first, first + texts)
            rater += [len(clicker)] * texts
            rating += given.tolist()
            clicker.append(lazy)
        judged += ratings[:, order[annotators:]].mean(axis=1).tolist()
    return {
        "item": np.array(item),
        "rater": np.array(rater),
        "rating": np.array(rating, "float64"),
        "clicker": np.array(clicker),
        "judged": np.array(judged),
    }


def simulated_answers(records, pairs, seed: int = 0) -> np.ndarray:
    """What a person who compares would say, out of single ratings.

    One rater of each text is drawn; the text whose rater gave more wins.

    Args:
        records: Ratings with `ratings`.
        pairs: Positions of the two texts of each pair `(pairs, 2)`.
        seed: Of the draws.

    Returns:
        1 where the first text wins, 0 where the second does, 0.5 for a tie
        `(pairs,)`.

    Example:

    >>> texts = [Rating("good", 3.0, ratings=(3, 3)), Rating("bad", -2.0, ratings=(-2,))]
    >>> simulated_answers(texts, np.array([[0, 1], [1, 0]]))
    array([1., 0.])
    """
    rng = np.random.default_rng(seed)
    counts = np.array([len(r.ratings) for r in records])
    starts = np.cumsum(counts) - counts
    everything = np.concatenate([r.ratings for r in records])
    drawn = starts[pairs] + (rng.random(pairs.shape) * counts[pairs]).astype(int)
    first, second = everything[drawn].T
    return (np.sign(first - second) + 1) / 2
