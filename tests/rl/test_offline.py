"""Methods that learn from records, and best of n over many prompts, as runs."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.data import Preference
from rmkeras.errors import RmkerasError
from rmkeras.models import CausalLM, ILQLModel, RecurrentLM, load_model
from rmkeras.rewards import FunctionReward, named_reward
from rmkeras.rl import (
    ILQL,
    BestOfN,
    BestOfNRun,
    Look,
    OfflineDPO,
    Sampler,
    align,
    best_of_n_kl,
    frozen_copy,
    train_dpo,
    train_ilql,
)
from rmkeras.rl.best_of_n import most_within
from rmkeras.rl.dpo import pair_loss
from rmkeras.rl.sampler import Samples
from rmkeras.text import SubwordTokenizer, pad

PROMPTS = ["good", "bad", "a film", "the"]
PAIRS = [
    Preference(chosen, rejected, prompt)
    for prompt in PROMPTS
    for chosen, rejected in (("film", "bad"), ("good film", "a"), ("the", "film bad"))
]
QUICK = {"every": 3, "progress": False}


@pytest.fixture(autouse=True, scope="module")
def quick_sampler():
    """Without XLA: each new trainer would compile a sampler of its own."""
    from rmkeras.rl.sampler import DecodeFunctions

    with pytest.MonkeyPatch.context() as patch:
        original = DecodeFunctions.__init__
        patch.setattr(
            DecodeFunctions,
            "__init__",
            lambda self, compile=True: original(self, False),
        )
        yield


def make_policy(kind=CausalLM):
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(["good film", "bad film"] * 9, 262)
    if kind is RecurrentLM:
        return RecurrentLM(tokenizer, dim=8, units=8, max_length=24)
    return CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=24)


def letters(texts):
    return [t.count("o") - 0.1 * len(t) for t in texts]


def make_dpo(records=PAIRS, **options):
    how = {"epochs": 2, "batch_size": 3, "learning_rate": 1e-2, **options}
    trainer = OfflineDPO(make_policy(), records, PAIRS[:2], **how)
    trainer.max_new_tokens = 5
    return trainer


def make_ilql(steps=8, **options):
    policy = make_policy()
    model = ILQLModel.from_policy(policy)
    trainer = ILQL(
        model,
        [r.chosen for r in PAIRS],
        np.arange(len(PAIRS)) % 3,
        prompts=[r.prompt for r in PAIRS],
        steps=steps,
        batch_size=4,
        reference=frozen_copy(policy),
        **options,
    )
    trainer.max_new_tokens = 5
    return trainer


def make_best(reward=None, **options):
    best = BestOfN(Sampler(make_policy(), 5), reward or FunctionReward(letters), 3)
    return BestOfNRun(best, PROMPTS * 4, **{"part": 2, **options})


MAKE = {
    "dpo": make_dpo,
    "ipo": lambda: make_dpo(kind="ipo", beta=0.5),
    "ilql": make_ilql,
    "best-of-n": make_best,
}


@pytest.mark.parametrize("name", MAKE)
def test_a_resumed_run_is_the_uninterrupted_one(name, tmp_path):
    def run(trainer, steps, **more):
        look = None if name == "best-of-n" else Look(trainer, 4, PROMPTS)
        return align(trainer, steps, look, **QUICK, **more)

    # 8 steps are two epochs of dpo, and 5 of them an epoch and a piece.
    whole, part, again = (MAKE[name]() for _ in range(3))
    start = whole.policy.get_weights()
    found = run(whole, 8)
    run(part, 5, out=tmp_path)
    resumed = run(again, 8, out=tmp_path, resume=True)
    ours, theirs = whole.policy.get_weights(), again.policy.get_weights()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    moved = any((a != b).any() for a, b in zip(start, ours, strict=True))
    assert moved == (name != "best-of-n")
    assert found["steps"] == resumed["steps"]
    # The part ended with a look of its own, at step 5.
    assert found["looks"] == [s for s in resumed["looks"] if s["step"] != 5]
    assert found["samples"] == resumed["samples"]
    for attribute in ("history", "rows", "scores"):
        if hasattr(whole, attribute):
            assert getattr(whole, attribute) == getattr(again, attribute)
    saved = load_model(tmp_path).get_weights()
    for a, b in zip(saved, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path, capsys):
    (tmp_path / ".model-7.keras").write_bytes(b"half a checkpoint")
    found = align(make_best(), 8, out=tmp_path, resume=True, **QUICK)
    assert len(found["steps"]) == 8 and not (tmp_path / ".model-7.keras").exists()
    assert "begins anew" in capsys.readouterr().err
    (other := tmp_path / "other").mkdir()
    (other / "notes.txt").write_text("not a run")
    with pytest.raises(RmkerasError, match="holds no checkpoint of align"):
        align(make_best(), 8, out=other, resume=True, **QUICK)


def test_other_data_or_options_are_not_resumed(tmp_path):
    for name, other, said in (
        ("dpo", lambda: make_dpo(PAIRS[1:]), "comparisons was"),
        ("dpo", lambda: make_dpo([replace(PAIRS[0], margin=1.0), *PAIRS[1:]]), "comp"),
        ("dpo", lambda: make_dpo(beta=0.3), "beta was 0.1, is 0.3"),
        ("ilql", lambda: make_ilql(9), "steps was 8, is 9"),
        ("best-of-n", lambda: make_best(part=4), "part was 2, is 4"),
        (
            "best-of-n",
            lambda: make_best(named_reward("length")),
            "reward was .*letters",
        ),
    ):
        trainer, out = MAKE[name](), tmp_path / said
        numbers, arrays = trainer.state()
        assert not out.exists()
        with pytest.raises(ValueError, match=said):
            other().load_state(numbers, arrays)


def test_the_same_without_a_run():
    policy = make_policy()
    history = train_dpo(
        policy, PAIRS, PAIRS[:2], epochs=2, batch_size=3, learning_rate=1e-2
    )
    trainer = make_dpo()
    for _ in range(8):
        trainer.step()
    assert trainer.history == history and len(history["val_loss"]) == 2
    assert trainer.last() == {k: v[-1] for k, v in history.items()}
    assert history["loss"][-1] < history["loss"][0] < np.log(2)


@pytest.mark.parametrize(
    ("record", "cut"),
    [
        # Of the answers none fills its columns, so that all of their ids are read.
        (Preference("good film", "bad", "good film " * 30), 1),
        (Preference("film " * 40, "bad", "good"), 1),
        (Preference("film", "bad", "good"), 0),
    ],
)
def test_a_comparison_that_is_too_long_for_dpo_is_cut_to_fit(record, cut):
    said, policy = [], make_policy()
    trainer = OfflineDPO(policy, [record], batch_size=1, say=said.append)
    prompt_ids, ids, *_ = trainer.train[0]
    whole = policy.encode_prompts([record.prompt])[0]
    answers = policy.tokenizer.encode([record.chosen, record.rejected], end=True)
    end = policy.tokenizer.end_id
    for prompt, row, answer in zip(prompt_ids, ids, answers, strict=True):
        prompt, row = prompt[prompt != 0].tolist(), row[row != 0].tolist()
        start = len(policy.start_ids)
        assert prompt[:start] == policy.start_ids
        assert whole[len(whole) - len(prompt) + start :] == prompt[start:]
        assert len(prompt) + len(row) <= policy.max_length
        assert row[-1] == end and answer[: len(row) - 1] == row[:-1]
    assert np.isfinite(trainer.step()["loss"])
    assert [line[:20] for line in said] == ["1 pairs were cut to "][:cut]


def test_a_cut_answer_of_ilql_still_ends():
    model = ILQLModel.from_policy(make_policy())
    trainer = ILQL(model, ["film " * 40], [1.0], prompts=["good"], steps=1)
    row = trainer._ids[0].tolist()
    assert len(row) == model.max_length + 1 and row[-1] == model.tokenizer.end_id
    assert row.count(row[-1]) == 1 + model.start_ids.count(row[-1])


@pytest.mark.parametrize("kind", ["dpo", "ipo"])
def test_dpo_learns_what_the_raters_said_and_not_more(kind):
    def learned(**said):
        how = {"batch_size": 1, "beta": 0.5, "learning_rate": 3e-2, "kind": kind}
        record = Preference("film", "bad", "good", **said)
        trainer = OfflineDPO(make_policy(), [record], epochs=60, **how)
        logs = [trainer.step() for _ in range(trainer.steps)]
        return logs[0]["loss"], logs[-1]

    # The gap β h goes to log(p / (1 − p)) of DPO and p − ½ of IPO, and the margin more.
    goals = {0.75: np.log(3), 0.5: 0.0} if kind == "dpo" else {0.75: 0.25, 0.5: 0.0}
    for share, goal in goals.items():
        _, end = learned(probability=share)
        assert end["margin"] == pytest.approx(goal, abs=0.05)
        assert end["accuracy"] == (0.5 if share == 0.5 else 1.0)
    _, end = learned(probability=0.25)
    assert end["margin"] == pytest.approx(-goals[0.75], abs=0.05)
    assert end["accuracy"] == 1.0  # Most preferred the other answer, and so does it.
    first, end = learned(probability=0.75, margin=0.5)
    assert end["margin"] == pytest.approx(goals[0.75] + 0.5, abs=0.05)
    if kind == "dpo":
        wanted = 0.75 * np.logaddexp(0, 0.5) + 0.25 * np.logaddexp(0, -0.5)
        assert first == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("off", [1e-7, -1e-7])
def test_a_margin_of_rounding_is_no_right_answer(off):
    # Two answers of 40 nats, two policies that are one but for the last digit.
    reference = tf.constant([[-40.0], [-41.0], [-40.0], [-41.0]])
    ours = reference * tf.constant([[1 + off], [1.0], [0.9], [1.0]])
    ones = tf.ones_like(ours)
    _, told = pair_loss(ours, reference, ones, tf.ones(2), 0.1, 0.0, "dpo")
    assert float(told["accuracy"]) == 0.75
    assert make_dpo().step()["accuracy"] == 0.5


def test_a_look_spends_the_budget():
    trainer = make_dpo(epochs=60, learning_rate=3e-2)
    look = Look(trainer, 16, PROMPTS)
    run = align(trainer, trainer.steps, look, 3, kl_budget=1.0, progress=False)
    assert run["stopped_by"] == "kl" and trainer.steps_done < trainer.steps
    kls = [found["kl"] for found in run["looks"]]
    assert kls[-1] >= 1.0 > max(kls[:-1])
    rows = run["samples"]
    assert rows[0]["prompt"] == "good" and np.isfinite(rows[0]["reward"])


def test_dpo_holds_its_samples_to_be_worth_the_log_ratio():
    trainer = make_dpo(beta=0.5)
    found, _ = Look(trainer, 4, PROMPTS)()
    assert abs(found["reward"]) < 1e-4  # Nothing is learned yet.
    for _ in range(8):
        trainer.step()
    found, _ = Look(trainer, 4, PROMPTS)()
    assert found["reward"] == pytest.approx(0.5 * found["kl"], abs=1e-3)
    assert abs(found["reward"]) > 1e-3


def test_ilql_begins_as_the_policy_and_takes_no_recurrent_one():
    policy = make_policy()
    model, same = (ILQLModel.from_policy(policy) for _ in range(2))
    # A run that begins anew must not begin elsewhere.
    for a, b in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    ids = np.array(policy.encode_prompts(["good film"]))
    np.testing.assert_allclose(model(ids), policy(ids), atol=3.0)
    model.sharpness.assign(0.0)
    np.testing.assert_allclose(model(ids), policy(ids), atol=1e-5)
    q1, q2 = (model.heads[name].kernel.numpy() for name in ("q1", "q2"))
    assert (q1 != q2).any()  # Or the smaller of both would be no safeguard.
    again = ILQLModel.from_policy(model, sharpness=2.0)
    np.testing.assert_array_equal(again.heads["q1"].kernel, q1)
    assert float(again.sharpness) == 2.0
    with pytest.raises(ValueError, match="RecurrentLM; expected a Transformer"):
        ILQLModel.from_policy(make_policy(RecurrentLM))


def test_no_value_is_learned_on_prompts_and_what_is_long_is_cut():
    model = ILQLModel.from_policy(make_policy())
    texts, prompts = ["film", "bad" * 30, "film"], ["good", "the", "good " * 30]
    trainer = ILQL(model, texts, [1.0, 0.0, 1.0], prompts=prompts, steps=1)
    start, prompt = model.start_ids, model.encode_prompts(["good"])[0]
    answer = model.tokenizer.encode(["film"], end=True)[0]
    assert trainer._ids[0][: len(prompt) + len(answer)].tolist() == [*prompt, *answer]
    assert trainer._given[0] == len(prompt) - len(start)
    # The completion is kept to the last; of the prompt its end.
    longest = model.max_length + 1
    assert trainer._given[1] == 0 and trainer._ids.shape[1] == longest
    assert trainer._ids[2][-len(answer) :].tolist() == answer
    assert trainer._given[2] == longest - len(start) - len(answer)
    assert trainer.cut == 2
    same = ILQL(model, ["film"], [1.0], steps=1)
    assert same._ids[0].tolist() == model.encode(["film"])[0] and same.cut == 0


def test_q_of_the_last_token_becomes_the_reward():
    policy = make_policy()
    model = ILQLModel.from_policy(policy)
    texts, rewards = ["good", "bad"], [2.0, -1.0]
    options = {"prompts": ["a", "a"], "conservatism": 0.0, "cloning": 0.0}
    options |= {"steps": 300, "batch_size": 8, "learning_rate": 1e-2, "follow": 0.2}
    losses = train_ilql(model, texts, rewards, **options)
    assert losses["q"] < 0.05
    trainer = ILQL(model, texts, rewards)
    ids = pad(model.tokenizer.encode(texts, end=True), 8)
    prompts = np.array(model.encode_prompts(["a", "a"]))
    drawn = Samples(ids, None, ids > 0, prompts, None)
    np.testing.assert_allclose(trainer.own_rewards(drawn, None), rewards, atol=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": []}, "no texts"),
        ({"rewards": [1.0]}, "2 texts and 1 rewards"),
        ({"rewards": [1.0, float("nan")]}, "the reward of 'bad' is nan"),
        ({"expectile": 1.0}, "expectile is 1.0"),
        ({"discount": 0.0}, "discount is 0.0"),
    ],
)
def test_ilql_names_what_is_wrong(options, message):
    given = {"texts": ["good", "bad"], "rewards": [1.0, 0.0], **options}
    if not given["texts"]:
        given["rewards"] = []
    with pytest.raises(ValueError, match=message):
        ILQL(ILQLModel.from_policy(make_policy()), **given)


def test_best_of_n_in_parts_draws_what_the_whole_does():
    run = make_best()
    while run.steps_done < run.steps:
        run.step()
    texts, scores, everything = run.best(PROMPTS * 4)
    assert [row["completion"] for row in run.rows] == texts
    np.testing.assert_allclose(run.scores, everything)
    assert run.look()[0]["reward"] == pytest.approx(scores.mean())
    run.best.reward.looks_at_batch = True
    assert BestOfNRun(run.best, PROMPTS, part=1).steps == 1


def test_the_most_samples_within_a_budget():
    for n in (1, 2, 7, 100):
        assert most_within(best_of_n_kl(n)) == n
        assert most_within(best_of_n_kl(n) + 1e-9) == n
    assert most_within(best_of_n_kl(7) - 1e-9) == 6
    with pytest.raises(ValueError, match="-1 nats"):
        most_within(-1)
