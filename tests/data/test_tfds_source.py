import json
import os
from typing import ClassVar

import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.data import (
    Preference,
    Stepwise,
    check_records,
    iter_records,
    read_corpus,
    read_records,
)
from rmkeras.errors import RmkerasError

PAIRS = [("p1", "a", "b", 0.5), ("p2", "c", "d", float("nan")), ("p3", "ü", "f", 2.0)]
TEXTS = [f"A {w} film,\n\nnumber {i}." for i, w in enumerate(["good", "dull"] * 20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tfds = pytest.importorskip("tensorflow_datasets")
    text = tfds.features.Text()

    class ToyPrefs(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS: ClassVar = [
            tfds.core.BuilderConfig(name=n)
            for n in ("pairs", "chat", "steps", "texts", "articles")
        ]

        def _info(self):
            message = tfds.features.Sequence({"role": text, "content": text})
            features = {
                "pairs": {
                    "prompt": text,
                    "chosen": text,
                    "rejected": text,
                    "margin": tfds.features.Scalar(np.float32),
                },
                "chat": {"chosen": message, "rejected": message},
                "steps": {
                    "prompt": text,
                    "completions": tfds.features.Sequence(text),
                    "labels": tfds.features.Sequence(tfds.features.Scalar(np.bool_)),
                },
                # As in imdb_reviews.
                "texts": {
                    "text": text,
                    "label": tfds.features.ClassLabel(names=["neg", "pos"]),
                },
                "articles": {"article": text},
            }[self.builder_config.name]
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                disable_shuffling=True,
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(),
                "test": self._generate_examples(),
            }

        def _generate_examples(self):
            kind = self.builder_config.name
            if kind == "texts":
                for i, words in enumerate(TEXTS):
                    yield i, {"text": words, "label": -1 if i % 3 else 1}
                return
            if kind == "articles":
                yield 0, {"article": "No text"}
                return
            for i, (prompt, chosen, rejected, margin) in enumerate(PAIRS):
                sides = {"chosen": chosen, "rejected": rejected}
                if kind == "pairs":
                    yield i, {"prompt": prompt, "margin": margin, **sides}
                elif kind == "chat":
                    user = {"role": "user", "content": prompt}
                    yield (
                        i,
                        {
                            name: [user, {"role": "assistant", "content": answer}]
                            for name, answer in sides.items()
                        },
                    )
                else:
                    steps = {"completions": [chosen, rejected], "labels": [True, False]}
                    yield i, {"prompt": prompt, **steps}

    data_dir = tmp_path_factory.mktemp("tfds")
    for name in ("pairs", "chat", "steps", "texts", "articles"):
        ToyPrefs(data_dir=data_dir, config=name).download_and_prepare()
    return data_dir


@pytest.fixture(autouse=True)
def found_there(folder, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", os.fspath(folder))


def test_messages_and_steps():
    records = read_records("tfds:toy_prefs/chat:test")
    assert records[2] == Preference(" ü", " f", "\n\nHuman: p3\n\nAssistant:")
    assert next(iter_records("tfds:toy_prefs/steps")) == Stepwise(
        "p1", ("a", "b"), (True, False)
    )


def test_pairs_with_a_margin_that_is_no_number():
    report = check_records("tfds:toy_prefs/pairs:train")
    assert report.type == "preference"
    assert report.records == [
        Preference("a", "b", "p1", margin=0.5),
        Preference("ü", "f", "p3", margin=2.0),
    ]
    [problem] = report.problems
    assert str(problem) == (
        "tfds:toy_prefs/pairs:train:2: margin is nan; expected a number such as 3 or -1.5"
    )
    assert len(read_records("tfds:toy_prefs/pairs:train[:1]")) == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tfds:toy_prefs/articles", "article.*text"),
        ("tfds:toy_prefs", "choose a config: toy_prefs/articles, toy_prefs/chat"),
        ("tfds:toy_prefs/pairs:dev", "there is no split 'dev'; expected one of"),
        ("tfds:imdb_reviews", "prepare it with: tfds build imdb_reviews"),
        ("tfds:", "no prepared dataset"),
    ],
)
def test_what_is_not_there_is_named_and_never_downloaded(address, message):
    with pytest.raises(RmkerasError, match=message):
        read_records(address)


def test_a_text_set_is_a_corpus():
    # A document may hold empty lines: they do not cut it.
    assert read_corpus("tfds:toy_prefs/texts:train") == TEXTS
    assert read_corpus("tfds:toy_prefs/texts:test[:10%]") == TEXTS[:4]
    with pytest.raises(RmkerasError, match="prepare it with: tfds build lm1b"):
        read_corpus("tfds:lm1b")


def test_a_language_model_is_pretrained_on_it(capsys, tmp_path):
    data = ["--data", "tfds:toy_prefs/texts", "--valid", "tfds:toy_prefs/texts:test"]
    shape = ["--dim", "16", "--layers", "1", "--heads", "2", "--vocabulary-size", "300"]
    command = ["train-lm", *data, *shape, "--epochs", "2", "--batch-size", "4"]
    assert main([*command, "--out", str(tmp_path / "lm"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == len(TEXTS) and 1 < found["perplexity"] < 300
    assert main(["train-lm", "--data", "tfds:none", "--out", str(tmp_path / "x")]) == 2
    assert "tfds build none" in capsys.readouterr().err
