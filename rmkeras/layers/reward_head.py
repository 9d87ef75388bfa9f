"""The last layer of a reward model."""

from __future__ import annotations

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class RewardHead(keras.layers.Layer):
    """A linear layer, by default of one output: r = w · h + b, then scale and shift.

    The weights start with standard deviation 1/√(d + 1) and the bias at 0, so
    that a fresh model's rewards have about unit size whatever the width d. The
    product is taken in float32 also under mixed precision: rewards are compared,
    and half precision cannot tell 3.001 from 3.002.

    Args:
        scale: Fixed number that multiplies the output (a rating's standard
            deviation, say); or a list with one for each output.
        shift: Fixed number added to it (a rating's mean); or a list.
        outputs: Number of rewards, one for each aspect.

    Call arguments:
        h: `(batch, dim)`.

    Returns:
        `(batch, outputs)` float32.

    Example:

    >>> import keras
    >>> from rmkeras.layers import RewardHead
    >>> RewardHead()(keras.ops.ones((3, 8))).shape
    TensorShape([3, 1])

    Source: Stiennon et al. (2020), "Learning to summarize from human feedback",
    appendix B.1.
    """

    def __init__(self, scale=1.0, shift=0.0, outputs=1, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.scale = scale
        self.shift = shift
        self.outputs = outputs

    def build(self, input_shape):
        """Creates w and b."""
        if self.built:
            return
        dim = input_shape[-1]
        self.kernel = self.add_weight(
            shape=(dim, self.outputs),
            initializer=keras.initializers.RandomNormal(
                stddev=1.0 / math.sqrt(dim + 1)
            ),
            dtype="float32",
            # Under a mixed policy Keras would hand it over rounded to 8 bits.
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.outputs,),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            name="bias",
        )
        self.built = True

    def call(self, h):
        """Scores; see the class."""
        h = ops.cast(h, "float32")
        reward = ops.matmul(h, self.kernel) + self.bias  # (B, outputs)
        scale, shift = (
            ops.convert_to_tensor(value, "float32")
            for value in (self.scale, self.shift)
        )
        return reward * scale + shift

    def compute_output_shape(self, input_shape):
        """Returns `(batch, outputs)`."""
        return (input_shape[0], self.outputs)

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "shift": self.shift,
            "outputs": self.outputs,
        }
