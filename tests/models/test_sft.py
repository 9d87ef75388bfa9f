import keras
import numpy as np
import pytest

from rmkeras.data import PromptCompletion, pack_rows
from rmkeras.errors import RmkerasError
from rmkeras.metrics import answer_scores
from rmkeras.models import CausalLM, RecurrentLM, load_model
from rmkeras.models.language_model import packed_language_batches
from rmkeras.models.sft import encode_completions, train_sft
from rmkeras.rl import Sampler
from rmkeras.text import SubwordTokenizer

WORDS = ["hot", "cold", "up", "down", "big", "small", "fast", "slow", "old", "new"]
PAIRS = [
    PromptCompletion(f"The opposite of {a} is what?", b)
    for i in range(0, len(WORDS), 2)
    for a, b in (WORDS[i : i + 2], WORDS[i : i + 2][::-1])
]
TOKENIZER = SubwordTokenizer.train([r.prompt + r.completion for r in PAIRS] * 3, 330)


def language_model(max_length=32, **options):
    keras.utils.set_random_seed(0)
    return CausalLM(TOKENIZER, 32, 2, 2, max_length=max_length, dropout=0.0, **options)


def test_only_completions_are_labelled():
    model = language_model()
    model.separator = "\n"
    rows, labels, counts = encode_completions(model, PAIRS)
    for record, row, label in zip(PAIRS, rows, labels, strict=True):
        answer = TOKENIZER.encode([record.completion], end=True)[0]
        assert row[-len(answer) :] == answer == label[-len(answer) :]
        assert not any(label[: -len(answer)])
        # What is before the answer is what sampling starts from, id by id.
        assert row[: -len(answer)] == model.encode_prompts([record.prompt])[0]
    assert counts == {"cut_prompts": 0, "cut_completions": 0}


def test_what_is_too_long_loses_the_prompts_beginning():
    model = language_model(max_length=6)
    full = language_model(max_length=60)
    short, labels, counts = encode_completions(model, PAIRS)
    whole, _, _ = encode_completions(full, PAIRS)
    for row, before in zip(short, whole, strict=True):
        assert len(row) == 7 and row[0] == 1 and row[1:] == before[-6:]
    assert counts["cut_prompts"] == len(PAIRS)
    long = PromptCompletion("why?", "because " * 30)
    row, label, counts = (x for x in encode_completions(model, [long]))
    assert len(row[0]) == 7 and row[0][-1] == 1 and counts["cut_completions"] == 1
    assert label[0][1:] == row[0][1:]
    assert labels


def test_the_loss_is_the_mean_over_completion_tokens_by_a_loop():
    model = language_model()
    rows, labels, _ = encode_completions(model, PAIRS[:4])
    packed = pack_rows(rows, 32, labels)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=0
        )
    )
    ours = model.evaluate(packed.inputs(), packed.targets, verbose=0)
    total, count = 0.0, 0
    for row, label in zip(rows, labels, strict=True):
        z = np.array(model(np.array([row[:-1]])), "float64")[0]
        z -= np.log(
            np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)
        ) + z.max(-1, keepdims=True)
        for t, target in enumerate(label[1:]):
            if target:
                total, count = total - z[t, target], count + 1
    assert abs(ours - total / count) < 1e-4


@pytest.mark.parametrize(
    "options", [{}, {"positions": "rotary", "norm": "rms", "activation": "silu"}]
)
def test_packed_documents_do_not_see_each_other(options):
    model = language_model(**options)
    model.set_weights([w * 2 for w in model.get_weights()])
    rows = model.encode([r.prompt for r in PAIRS[:3]])
    packed = pack_rows(rows, 40)
    logits = np.array(model(packed.inputs()))
    for row in rows:
        alone = np.array(model(np.array([row[:-1]])))[0]
        places = [
            (i, packed.segments[i] == s)
            for i in range(len(packed.ids))
            for s in range(1, packed.segments[i].max() + 1)
            if packed.ids[i][packed.segments[i] == s].tolist() == row[:-1]
        ]
        i, where = places[0]
        np.testing.assert_allclose(logits[i][where], alone, atol=1e-4)


def test_it_learns_to_answer(tmp_path):
    how = {"learning_rate": 5e-3, "batch_size": 2, "progress": False}
    before = language_model()
    prompts, wanted = [r.prompt for r in PAIRS], [r.completion for r in PAIRS]
    first = answer_scores(Sampler(before, 6, 1e-4).texts(prompts), wanted)
    model, history = train_sft(
        before, PAIRS, PAIRS, epochs=150, out=tmp_path / "a", **how
    )
    model = load_model(tmp_path / "a", CausalLM)
    last = answer_scores(Sampler(model, 6, 1e-4).texts(prompts), wanted)
    assert first["exact_match"] < 0.2 and last["exact_match"] > 0.8
    assert model.separator == "\n" and history["loss"][-1] < 0.5


def test_a_recurrent_model_sees_one_pair_at_a_time():
    keras.utils.set_random_seed(0)
    model = RecurrentLM(TOKENIZER, "gru", 16, 24, max_length=32)
    model.separator = "\n"
    rows, labels, _ = encode_completions(model, PAIRS[:5])
    inputs, targets = next(iter(packed_language_batches(model, rows, 5, labels)()))
    together = np.array(model(inputs))
    for ids, found, wanted in zip(
        np.array(inputs["ids"]), together, np.array(targets), strict=True
    ):
        row = ids[ids > 0]
        np.testing.assert_allclose(
            found[: len(row)], np.array(model(row[None]))[0], atol=1e-5
        )
        assert (wanted > 0).any()
    _, history = train_sft(model, PAIRS, epochs=3, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(RmkerasError, match="no prompts"):
        train_sft(language_model(), [])
