"""Fixtures that every room of the tests may use."""

import os

# Before any test imports TensorFlow: its notes about the processor fill the log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest


def pytest_make_parametrize_id(val):
    """Keeps bytes out of the tests' names.

    A compressed file holds the second of its making: two workers would collect the
    same test under two names, and xdist would run none.
    """
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def human_ratings_dir():
    """The folder with the prepared human ratings; skips where there is none."""
    from rmkeras.data import default_data_dir, is_prepared

    folder = default_data_dir()
    if not is_prepared(folder):
        pytest.skip(
            f"the human ratings are not in {folder}; bring them with: "
            "rmkeras data prepare human-ratings"
        )
    return folder
