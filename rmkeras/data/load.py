"""Loading the prepared human ratings as records."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmkeras.data.prepare import COMMAND, CONFIGS, DATASET, VERSION, default_data_dir
from rmkeras.data.records import Rating
from rmkeras.errors import RmkerasError
from rmkeras.text import Cleaner


def load_human_ratings(
    split: str, domain: str = "all", data_dir: str | os.PathLike | None = None
) -> list[Rating]:
    """Loads the human ratings that `rmkeras data prepare human-ratings` brought.

    Args:
        split: `"train"`, `"validation"`, `"test"`, or a slice or sum of them as
            TFDS writes it, such as `"train[:500]"`.
        domain: One of `rmkeras.data.DOMAINS`, or `"all"`.
        data_dir: The folder of prepared datasets; `default_data_dir()` if None.

    Returns:
        Ratings in the order of the split's hash, domain after domain. `rating` is
        the mean of `ratings` (whole numbers from -4 to 4, one a rater), `source`
        the domain, `id` the identifier in the domain.

    Raises:
        RmkerasError: If the ratings have not been prepared, or there is no such
            split or domain.

    Example:

    ```python
    test = load_human_ratings("test", domain="tweets")
    print(test[0].text, test[0].rating)
    ```

    Source: Hutto and Gilbert (2014).
    """
    if domain not in CONFIGS:
        raise RmkerasError(
            f"there is no domain {domain!r}; expected one of {', '.join(CONFIGS)}"
        )
    root = Path(data_dir or default_data_dir()).absolute()
    place = root / DATASET / domain / VERSION
    if not (place / "dataset_info.json").is_file():
        raise RmkerasError(
            f"the human ratings are not in {root}; bring them with: {COMMAND}"
        )
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(place)
    try:
        parts = builder.info.splits[split].file_instructions
    except (KeyError, ValueError, AssertionError) as error:
        raise RmkerasError(
            f"there is no split {split!r}; expected train, validation, test or a part "
            "of one such as train[:500]"
        ) from error
    records = []
    for part in parts:
        # TFDS says which examples; parsing thousands at once instead of one after
        # the other makes loading about ten times as fast.
        data = tf.data.TFRecordDataset(part.filename).skip(part.skip).take(part.take)
        for batch in data.batch(4096):
            records.extend(_records(batch))
    return records


def _records(serialized) -> list[Rating]:
    """Parses a batch of serialised examples."""
    import tensorflow as tf

    string = tf.io.FixedLenFeature([], tf.string)
    columns = tf.io.parse_example(
        serialized,
        {
            "id": string,
            "domain": string,
            "text": string,
            "ratings": tf.io.RaggedFeature(tf.int64),
        },
    )
    ids, domains, texts = (columns[n].numpy() for n in ("id", "domain", "text"))
    # Plain lists are cut up much faster than ragged tensors.
    people = columns["ratings"].values.numpy().tolist()
    ends = columns["ratings"].row_splits.numpy().tolist()
    records = []
    for i, text in enumerate(texts):
        ratings = tuple(people[ends[i] : ends[i + 1]])
        records.append(
            Rating(
                text.decode(),
                sum(ratings) / len(ratings),
                source=domains[i].decode(),
                id=ids[i].decode(),
                ratings=ratings,
            )
        )
    return records


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many test texts a model has seen in training.

    Attributes:
        count: Number of test texts that also occur among the training texts.
        total: Number of test texts.
        positions: Their positions in the test texts, counted from 0.

    Example:

    >>> from rmkeras.data import text_overlap
    >>> text_overlap(["So good!"], ["so good", "so bad"]).share
    0.5
    """

    count: int
    total: int
    positions: tuple[int, ...]

    @property
    def share(self) -> float:
        """`count` / `total`; 0 if there is no text."""
        return self.count / self.total if self.total else 0.0


def text_overlap(
    train: Sequence[str | Rating],
    test: Sequence[str | Rating],
    key: Callable[[str], str] | None = None,
) -> Overlap:
    """Finds test texts that also occur among the training texts.

    A model scores such a text from memory. The human ratings hold a few texts
    several times; their split is fixed, so this helper reports them and a test can
    be repeated without them.

    Args:
        train: Training texts or records.
        test: Test texts or records.
        key: What has to be equal; by default the text after lower-casing,
            without punctuation and with single spaces.

    Returns:
        An `Overlap`.

    Example:

    >>> text_overlap(["So good!"], ["so good", "so bad"]).positions
    (0,)
    """
    if key is None:
        key = Cleaner(
            ["unescape_html", "lowercase", "strip_punctuation", "collapse_whitespace"]
        )

    def text(item: str | Rating) -> str:
        return key(item.text if isinstance(item, Rating) else item)

    known = {text(item) for item in train}
    found = tuple(i for i, item in enumerate(test) if text(item) in known)
    return Overlap(len(found), len(test), found)
