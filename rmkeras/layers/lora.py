"""Low-rank adaptation: a dense layer whose big matrix stays as it was."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class LoRADense(keras.layers.Dense):
    """A dense layer with a trainable low-rank addition to a frozen kernel.

    y = f(x W + b + (α / r) x A B),  A: (inputs, r),  B: (r, units)

    W and b stay fixed. B starts at zero, so that training begins at the layer as
    it was. All of W, A and B are saved as they are: a loaded layer computes the
    same and goes on training as if nothing had happened, which a layer that
    merges A B into W on saving cannot.

    With `rank=0` it is `keras.layers.Dense`.

    Args:
        units: Width of the output.
        rank: r.
        alpha: α; r if `None`, so that the addition is x A B.
        **kwargs: Passed to `keras.layers.Dense`.

    Call arguments:
        inputs: `(..., inputs)`.

    Returns:
        `(..., units)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import LoRADense
    >>> layer = LoRADense(6, rank=2)
    >>> layer.build((None, 4))
    >>> [w.name for w in layer.trainable_variables]
    ['lora_a', 'lora_b']

    Source: Hu et al. (2021), "LoRA", section 4.1.
    """

    def __init__(self, units, rank=0, alpha=None, **kwargs):
        # A frozen kernel is nothing that Keras' own LoRA should wrap again.
        super().__init__(units, **kwargs)
        self.rank = rank
        self.alpha = alpha

    def build(self, input_shape):
        """Creates the weights for inputs `(..., inputs)`."""
        super().build(input_shape)
        if not self.rank:
            return
        self._kernel.trainable = False
        if self.bias is not None:
            self.bias.trainable = False
        # Keras closes a layer for new weights after build.
        self._tracker.unlock()
        self.lora_a = self.add_weight(
            shape=(input_shape[-1], self.rank),
            initializer="he_uniform",
            name="lora_a",
        )
        self.lora_b = self.add_weight(
            shape=(self.rank, self.units), initializer="zeros", name="lora_b"
        )
        self._tracker.lock()

    def call(self, inputs, training=None):
        """Applies the layer; see the class."""
        if not self.rank:
            return super().call(inputs, training=training)
        y = ops.matmul(inputs, self._kernel)
        scale = (self.alpha or self.rank) / self.rank
        y = y + ops.matmul(ops.matmul(inputs, self.lora_a), self.lora_b) * scale
        if self.bias is not None:
            y = y + self.bias
        return y if self.activation is None else self.activation(y)

    def merged_kernel(self):
        """Returns W + (α / r) A B, `(inputs, units)`: what the layer multiplies by."""
        if not self.rank:
            return ops.convert_to_tensor(self.kernel)
        scale = (self.alpha or self.rank) / self.rank
        return self._kernel + ops.matmul(self.lora_a, self.lora_b) * scale

    def save_own_variables(self, store):
        """Saves every weight under its name."""
        for weight in self._own_weights():
            store[weight.name] = weight

    def load_own_variables(self, store):
        """Loads what `save_own_variables` saved."""
        for weight in self._own_weights():
            weight.assign(store[weight.name])

    def _own_weights(self):
        weights = [self._kernel]
        weights += [] if self.bias is None else [self.bias]
        return weights + ([self.lora_a, self.lora_b] if self.rank else [])

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "rank": self.rank, "alpha": self.alpha}


def freeze_all_but_lora(layer) -> None:
    """Leaves the low-rank weights of a layer trainable and nothing else.

    Args:
        layer: A built layer that contains `LoRADense` layers.

    Example:

    >>> import keras
    >>> from rmkeras.layers import LoRADense, freeze_all_but_lora
    >>> net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), LoRADense(2, 1)])
    >>> freeze_all_but_lora(net)
    >>> [w.name for w in net.trainable_variables]
    ['lora_a', 'lora_b']
    """
    for weight in layer.weights:
        if "lora_" not in weight.name and "seed" not in weight.name:
            weight.trainable = False
