"""Any KerasHub backbone as the encoder of a reward model."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class BackboneEncoder(keras.layers.Layer):
    """Gives a KerasHub text backbone the interface of rmkeras' encoders.

    KerasHub counts positions from the left edge, so that padding on the left
    would shift them. Here real tokens are moved to the left first and back
    afterwards: padding changes nothing on either side.

    Args:
        backbone: A `keras_hub.models.Backbone` for text.
        offset: What is subtracted from ids before the backbone sees them; 1 where
            the backbone's vocabulary has a word at 0 (`PretrainedTokenizer`).
        lora_rank: Rank of KerasHub's trainable additions; 0 trains everything.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side.

    Returns:
        `(batch, length, dim)`; what stands at padding means nothing.

    Example:

    >>> import keras_hub
    >>> import numpy as np
    >>> from rmkeras.models import BackboneEncoder
    >>> backbone = keras_hub.models.BertBackbone(
    ...     vocabulary_size=9, num_layers=1, num_heads=2, hidden_dim=4,
    ...     intermediate_dim=8, max_sequence_length=8)
    >>> encoder = BackboneEncoder(backbone)
    >>> right, left = encoder(np.array([[5, 6, 0], [0, 5, 6]]))
    >>> bool(np.allclose(right[:2], left[1:], atol=1e-6))
    True
    """

    def __init__(self, backbone, offset=0, lora_rank=0, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.backbone = backbone
        self.offset = offset
        self.lora_rank = lora_rank
        self.supports_masking = True
        if lora_rank:
            self.backbone.enable_lora(lora_rank)
            for layer in self.backbone._flatten_layers():
                # Left trainable by Keras, but not among what it calls LoRA.
                bias = getattr(layer, "bias", None)
                if getattr(layer, "lora_enabled", False) and bias is not None:
                    bias.trainable = False

    def build(self, input_shape=None):
        """The backbone comes built."""
        self.built = True

    def call(self, ids, training=None):
        """Encodes; see the class."""
        mask = ops.not_equal(ids, 0)  # (B, L)
        # A stable sort of "is padding" moves the real tokens to the left.
        length = ops.shape(ids)[1]
        key = ops.where(mask, 0, length) + ops.arange(length)[None, :]
        order = ops.argsort(key, axis=1)  # (B, L)
        real = ops.take_along_axis(ops.cast(mask, "int32"), order, axis=1)
        tokens = ops.take_along_axis(ids, order, axis=1) - self.offset
        # The backbone looks padding up too; any word will do, as it is masked.
        inputs = {"token_ids": ops.maximum(tokens, 0), "padding_mask": real}
        names = [t.name for t in self.backbone.inputs]
        if "segment_ids" in names:
            inputs["segment_ids"] = ops.zeros_like(real)
        h = self.backbone({n: inputs[n] for n in names}, training=training)
        if isinstance(h, dict):
            h = h["sequence_output"]  # (B, L, D)
        back = ops.argsort(order, axis=1)
        return ops.take_along_axis(h, back[..., None], axis=1)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, length, dim)`."""
        return (*input_shape, self.dim)

    @property
    def dim(self):
        """Width of the backbone's output."""
        output = self.backbone.output
        if isinstance(output, dict):
            output = output["sequence_output"]
        return output.shape[-1]

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "offset": self.offset,
            "lora_rank": self.lora_rank,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer from `get_config`'s result."""
        import keras_hub  # noqa: F401  (its classes register themselves)

        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


def is_causal(encoder) -> bool:
    """Finds out whether an encoder's first vector ignores the later tokens.

    Args:
        encoder: A layer from ids to vectors.

    Returns:
        Whether it is causal, like GPT, or looks both ways, like BERT.

    Example:

    >>> from rmkeras.models import TransformerEncoder
    >>> from rmkeras.models.backbone import is_causal
    >>> is_causal(TransformerEncoder(50, 8, 8, 1, 2, causal=True))
    True
    """
    ids = np.array([[5, 6, 7], [5, 6, 8]], "int32")
    h = ops.convert_to_numpy(encoder(ids, training=False))
    return bool(np.allclose(h[0, 0], h[1, 0], atol=1e-6))
