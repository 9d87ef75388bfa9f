r"""Random walks: a task whose optimum is known, for any method that learns from text.

A random directed graph of 21 nodes, a goal, and walks written as letters: "gcxa" is a
walk from g over c and x to a, the goal. A language model trained on random walks
walks at random; a good policy walks the shortest way. How good is a number from 0 to
1 and compares with a search through the graph:

    optimality = (longest − length) / (longest − shortest possible length)

A walk that uses an edge that is not there, or does not reach the goal, counts as the
longest, that is, 0.

1. Every node but the goal has an edge to another node, and can reach the goal.
2. The goal has no way out: a walk ends there.
3. A walk from each node in turn; at most `longest` nodes.

Source: the task of trlX (Havrilla et al. 2023), after Chen et al. (2021), "Decision
Transformer", figure 2; the generator is our own.
"""

from __future__ import annotations

import itertools
import string
from collections import deque

import numpy as np

from rmkeras.text.tokenizer import SubwordTokenizer


class RandomWalks:
    """A graph, walks through it, and what a walk is worth.

    Args:
        nodes: Number of nodes, at most 26; node 0, "a", is the goal.
        edges: Probability of each possible edge.
        longest: Nodes in a walk at most.
        walks: Number of random walks, the corpus.
        seed: Decides the graph and the walks.

    Attributes:
        walks: A list of strings.
        shortest: `(nodes,)`: nodes on the shortest way from each node.

    Example:

    >>> from rmkeras.rl import RandomWalks
    >>> world = RandomWalks(seed=0)
    >>> len(world.walks), round(float(world.optimality(world.walks).mean()), 3)
    (1000, 0.321)
    """

    def __init__(self, nodes=21, edges=0.1, longest=10, walks=1000, seed=0):
        if not 2 <= nodes <= 26:
            raise ValueError(f"nodes is {nodes}; expected 2 to 26, a letter each")
        generator = np.random.default_rng(seed)
        self.letters = string.ascii_lowercase[:nodes]
        self.longest = longest
        while True:
            graph = generator.random((nodes, nodes)) < edges
            np.fill_diagonal(graph, False)
            graph[0] = False
            self.shortest = _distances(graph) + 1
            # Again, until the goal can be reached from everywhere in time.
            if np.isfinite(self.shortest).all() and self.shortest.max() <= longest:
                break
        self.graph = graph
        self.walks = [self._walk(1 + i % (nodes - 1), generator) for i in range(walks)]

    def _walk(self, node, generator):
        path = [node]
        while node != 0 and len(path) < self.longest:
            node = int(generator.choice(np.flatnonzero(self.graph[node])))
            path.append(node)
        return "".join(self.letters[i] for i in path)

    def starts(self):
        """The letters a walk can begin with."""
        return list(self.letters[1:])

    def optimality(self, walks):
        """Returns how near walks are to the shortest: `(n,)`, from 0 to 1.

        Args:
            walks: Strings that begin with their start.
        """
        found = []
        for walk in walks:
            path = [self.letters.find(letter) for letter in walk.strip()]
            length = self.longest
            if 0 in path[1:]:  # What comes after the goal does not count.
                path = path[: path.index(0) + 1]
                steps = itertools.pairwise(path)
                if -1 not in path and all(self.graph[a, b] for a, b in steps):
                    length = min(len(path), self.longest)
            best = self.shortest[path[0]] if path and path[0] > 0 else 1
            found.append((self.longest - length) / (self.longest - best))
        return np.array(found)

    def reward(self, texts, prompts):
        """The optimality of prompts and what was sampled after them."""
        return self.optimality(
            [p + t.strip() for p, t in zip(prompts, texts, strict=True)]
        )

    @staticmethod
    def tokenizer():
        """A tokeniser with one token a letter."""
        return SubwordTokenizer.train([], vocabulary_size=258)

    # The same as a world for tables.

    def actions(self, state):
        """Returns the nodes that can be reached."""
        return [self.letters[i] for i in np.flatnonzero(self.graph[self._at(state)])]

    def step(self, state, action):
        """Goes to a node; each step costs 1."""
        return action, -1.0, action == self.letters[0]

    def _at(self, state):
        return self.letters.index(state)


def _distances(graph):
    """Steps from each node to node 0 by breadth-first search backwards."""
    distance = np.full(len(graph), np.inf)
    distance[0] = 0
    queue = deque([0])
    while queue:
        node = queue.popleft()
        for before in np.flatnonzero(graph[:, node]):
            if not np.isfinite(distance[before]):
                distance[before] = distance[node] + 1
                queue.append(before)
    return distance
