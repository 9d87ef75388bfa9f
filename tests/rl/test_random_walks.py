import itertools

import numpy as np
import pytest

from rmkeras.models import load_model
from rmkeras.rl import ILQLModel, RandomWalks, Sampler, train_ilql


def test_the_shortest_way_is_that_of_brute_force():
    world = RandomWalks(nodes=7, edges=0.25, longest=7, seed=3)
    for start in range(1, 7):
        lengths = [
            len(middle) + 2
            for size in range(6)
            for middle in itertools.permutations(
                [n for n in range(1, 7) if n != start], size
            )
            if all(
                world.graph[a, b] for a, b in itertools.pairwise((start, *middle, 0))
            )
        ]
        assert world.shortest[start] == min(lengths)


def test_walks_are_walks():
    world = RandomWalks()
    assert len(world.walks) == 1000 and {w[0] for w in world.walks} == set(
        world.starts()
    )
    for walk in world.walks:
        path = [world.letters.index(c) for c in walk]
        assert len(path) <= 10 and 0 not in path[:-1]
        assert all(world.graph[a, b] for a, b in itertools.pairwise(path))
        assert path[-1] == 0 or len(path) == 10
    # As in the published task, random walks are far from the shortest.
    assert 0.2 < world.optimality(world.walks).mean() < 0.5


def test_optimality():
    world = RandomWalks()
    for node, letter in enumerate(world.starts(), 1):
        walks = [w for w in world.walks if w[0] == letter and w[-1] == "a"]
        for walk in walks:
            expected = (10 - len(walk)) / (10 - world.shortest[node])
            assert world.optimality([walk])[0] == pytest.approx(expected)
            # What comes after the goal does not count.
            assert world.optimality([walk + "zz"])[0] == pytest.approx(expected)
    nowhere = next(i for i in range(1, 21) if not world.graph[i, 0])
    wrong = [world.letters[nowhere] + "a", "", "a", "?", "b"]
    assert world.optimality(wrong).tolist() == [0] * 5
    found = world.reward([" da", "a"], ["b", "c"])
    np.testing.assert_array_equal(found, world.optimality(["bda", "ca"]))


def test_ilql_beats_the_walks_that_it_learned_from(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    world = RandomWalks()
    model = ILQLModel(
        world.tokenizer(), dim=32, num_layers=1, num_heads=2, max_length=16
    )
    worth = world.optimality(world.walks)
    found = train_ilql(model, world.walks, worth, steps=300, prompt_tokens=2)
    assert all(np.isfinite(list(found.values())))
    # The start letter is part of the text: a space, then the letter.
    rows = model.encode_prompts(world.starts())
    prompts = [start for start in world.starts() for _ in range(8)]
    best = []
    for sharpness in (0.0, 16.0):
        model.sharpness.assign(sharpness)
        texts = Sampler(model, 10, compile=False).texts(rows, samples=8)
        best.append(world.reward(texts, prompts).mean())
    assert best[1] > worth.mean() + 0.25 and best[1] > best[0] + 0.25
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path)
    ids = np.array(rows[:3])
    np.testing.assert_array_equal(np.array(model(ids)), np.array(again(ids)))
    assert float(again.sharpness) == 16.0
