"""Feedback files as a prepared TFDS set, made by Beam."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow_datasets as tfds

from rmkeras.data.beam import _beam, cleaned_rows, digest

KINDS = {
    "rating": {"text": "text", "rating": "number"},
    "preference": {"prompt": "text", "chosen": "text", "rejected": "text"},
    "prompt-completion": {"prompt": "text", "completion": "text"},
    "unpaired-preference": {"prompt": "text", "completion": "text", "label": "truth"},
    "language-modeling": {"text": "text"},
}


def _features(kind):
    made = {
        "text": tfds.features.Text,
        "number": lambda: tfds.features.Scalar("float32"),
        "truth": lambda: tfds.features.Scalar("bool"),
    }
    return {name: made[what]() for name, what in KINDS[kind].items()}


def _rows(item, kind):
    """Pairs of digest and (place, example) of a file's good rows."""
    number, file = item
    for place, what, record in cleaned_rows(file, number):
        if what == "row":
            example = {k: getattr(record, k) for k in KINDS[kind]}
            example = {k: "" if v is None else v for k, v in example.items()}
            yield digest(record).hex(), (place, example)


def _first(pair):
    key, found = pair
    return key, min(found, key=lambda row: row[0])[1]


class FeedbackSet(tfds.core.GeneratorBasedBuilder):
    """Cleaned feedback without repeats, prepared by TFDS on any Beam runner.

    `download_and_prepare(download_config=tfds.download.DownloadConfig(
    beam_options=…))` says where it runs; here if nothing is said. Rows are cleaned
    and compared by the functions of `data clean`.

    Args:
        files: Feedback files, all of one type.
        kind: The type: a key of `KINDS`.
        **options: Passed to `tfds.core.GeneratorBasedBuilder`, such as `data_dir`.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, files: Sequence[str], kind: str = "rating", **options):
        self._files, self._kind = [str(f) for f in files], kind
        super().__init__(**options)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(_features(self._kind))
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(self._files)}

    def _generate_examples(self, files):
        beam = _beam()
        return (
            beam.Create(list(enumerate(files)))
            | beam.Reshuffle()
            | beam.FlatMap(_rows, self._kind)
            | beam.GroupByKey()
            | beam.Map(_first)
        )
