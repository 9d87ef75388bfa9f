"""Importing TensorFlow without the lines it prints about GPUs that are not there."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os

# XLA's newest library for sums is slower here than what it replaces: sampling
# gains a fifth without. XLA ends the process at a flag that it does not know, so
# this is set for the version alone that it was tried on.
XLA_FLAGS = {
    "2.21": "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_INVALID"
}


@contextlib.contextmanager
def quiet_stderr():
    """Sends file descriptor 2 nowhere: these lines are written by C++, not Python."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def import_tensorflow(first=None):
    """Imports TensorFlow and Keras and wakes the runtime, quietly.

    Errors are exceptions and come through; set `TF_CPP_MIN_LOG_LEVEL=0` to see
    everything. Memory is taken from TensorFlow's own pool unless
    `TF_CPU_ALLOCATOR_USE_BFC=false` is set: a large tensor from the system's
    allocator is new memory every time, and in a training step on a processor the
    page faults that follow take a third of the time.

    Args:
        first: A function called before the runtime wakes: logical devices and
            multi-worker strategies have to be made then.

    Example:

    >>> from rmkeras.quiet import import_tensorflow
    >>> tf, keras = import_tensorflow()
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = XLA_FLAGS.get(_tensorflow_version(), "")
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        quiet = contextlib.nullcontext
    else:
        quiet = quiet_stderr
    with quiet():
        import keras
        import tensorflow as tf

        if first is not None:
            first()
        tf.constant(0)
    return tf, keras


def _tensorflow_version():
    for name in ("tensorflow-cpu", "tensorflow"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return ".".join(importlib.metadata.version(name).split(".")[:2])
    return ""
