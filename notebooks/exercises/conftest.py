"""Keeps pytest and nbval away from the exercises: unsolved, they have to fail."""

collect_ignore_glob = ["*.ipynb"]
