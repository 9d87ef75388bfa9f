import json

import keras
import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.models import CausalLM, MaskedLM, load_model, transformer_reward_model
from rmkeras.models.masked_lm import masked_batches, masked_scores, train_masked_model
from rmkeras.text import SubwordTokenizer

TEXTS = ["a good film indeed", "not a bad film", "this film is good"] * 30
SMALL = {"dim": 16, "num_layers": 2, "num_heads": 2, "max_length": 24}


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train(TEXTS, vocabulary_size=300)


@pytest.fixture(scope="module")
def trained():
    options = {"model_options": SMALL, "epochs": 25, "progress": False}
    options["batch_size"] = 4
    return train_masked_model(TEXTS, vocabulary_size=300, learning_rate=1e-2, **options)


def test_it_sees_both_sides(tokenizer):
    model = MaskedLM(tokenizer, **SMALL)
    ids = np.array([[1, 5, 6, 7, 8, 1]], "int32")
    before = np.array(model(ids))
    for place in (1, 4):  # left and right of place 2
        other = ids.copy()
        other[0, place] = 9
        assert np.abs(np.array(model(other))[0, 2] - before[0, 2]).max() > 1e-4


def test_packed_documents_do_not_see_each_other(tokenizer):
    model = MaskedLM(tokenizer, **SMALL)
    rows = model.encode(TEXTS[:3])
    dataset = masked_batches(model, rows, 1, rate=1e-9)(seed=0)
    inputs, _ = next(iter(dataset))
    together = np.array(model(inputs))[0]
    segments = np.array(inputs["segments"])[0]
    assert segments.max() > 1
    for document in range(1, segments.max() + 1):
        place = segments == document
        alone = np.array(model(np.array(inputs["ids"])[:, place]))[0]
        np.testing.assert_allclose(together[place], alone, atol=1e-4)


def test_every_token_of_a_document_can_be_hidden(tokenizer):
    model = MaskedLM(tokenizer, **SMALL)
    rows = model.encode(TEXTS[:3])
    (_, targets) = next(iter(masked_batches(model, rows, 8, rate=0.999999)(seed=0)))
    expected = sorted(i for row in rows for i in row if i > 1)
    assert sorted(i for i in np.array(targets).ravel() if i) == expected


def test_other_tokens_are_hidden_each_epoch(tokenizer):
    model = MaskedLM(tokenizer, **SMALL)
    batches = masked_batches(model, model.encode(TEXTS), 50)
    first, again, second = (
        np.sort(np.array(next(iter(batches(0, e)))[1]).ravel()) for e in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_the_loss_is_the_mean_over_hidden_tokens(tokenizer):
    model = MaskedLM(tokenizer, **SMALL)
    from rmkeras.models.language_model import compile_language_model

    compile_language_model(model, 2)
    inputs, targets = next(iter(masked_batches(model, model.encode(TEXTS), 8)(0)))
    found = model.evaluate(inputs, targets, batch_size=8, verbose=0)
    logits, targets = np.array(model(inputs), "float64"), np.array(targets)
    total, count = 0.0, 0
    for row in range(len(targets)):
        for t in range(targets.shape[1]):
            if targets[row, t]:
                z = logits[row, t]
                total += np.log(np.exp(z - z.max()).sum()) + z.max()
                total -= z[targets[row, t]]
                count += 1
    assert found == pytest.approx(total / count, abs=1e-4)


def test_it_learns_and_fills(trained):
    model, history = trained
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.fill("this ___ is good", n=3)[0][0] == "film"
    scores = masked_scores(model, TEXTS[:3], rate=0.3)
    assert scores["masked_accuracy"] > 0.5 and scores["masked_tokens"] > 0
    with pytest.raises(ValueError, match="2 blanks"):
        model.fill("___ and ___")


def test_it_survives_its_file(trained, tmp_path):
    model, _ = trained
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path, MaskedLM)
    ids = np.array([[1, 5, model.mask_id, 7, 1]])
    np.testing.assert_array_equal(np.array(model(ids)), np.array(again(ids)))


@pytest.mark.parametrize("kind", [MaskedLM, CausalLM])
def test_a_reward_model_starts_from_it(tokenizer, kind):
    keras.utils.set_random_seed(0)
    language = kind(tokenizer, positions="rotary", norm="rms", **SMALL)
    reward = transformer_reward_model(tokenizer, language_model=language)
    ids = np.array([[5, 6, 7, 8]], "int32")
    np.testing.assert_allclose(
        np.array(reward.encoder(ids)), np.array(language.encoder(ids)), atol=1e-6
    )


def test_on_the_command_line(tmp_path, capsys):
    data = tmp_path / "texts.txt"
    data.write_text("\n".join(TEXTS), "utf8")
    rated = tmp_path / "rated.jsonl"
    rows = [{"text": t, "rating": float(i % 3)} for i, t in enumerate(TEXTS)]
    rated.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf8")
    shape = ["--dim", "16", "--layers", "1", "--heads", "2", "--epochs", "2"]
    command = ["train-lm", "--objective", "masked", "--data", str(data), *shape]
    command += ["--valid", str(data), "--vocabulary-size", "300"]
    assert main([*command, "--out", str(tmp_path / "lm"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["masked_perplexity"] > 1 and 0 <= found["masked_accuracy"] <= 1
    command = ["train-reward", "--data", str(rated), "--model", str(tmp_path / "lm")]
    command += ["--epochs", "1", "--out", str(tmp_path / "rm"), "--json"]
    assert main(command) == 0
    assert load_model(tmp_path / "rm").encoder.dim == 16
