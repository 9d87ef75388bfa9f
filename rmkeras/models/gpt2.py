"""GPT-2 from elsewhere as a `CausalLM`."""

from __future__ import annotations

from rmkeras.errors import RmkerasError
from rmkeras.models.causal_lm import CausalLM
from rmkeras.models.pretrained import load_pretrained


def load_gpt2(name, max_length=None):
    """Loads a GPT-2 that was saved by Hugging Face or KerasHub.

    Args:
        name: A local folder, or the name of a KerasHub preset such as
            `"gpt2_base_en"`; see `load_pretrained`.
        max_length: Longest sequence; as many positions as it has if `None`.

    Returns:
        A `CausalLM` with its tokeniser. GPT-2's token i is i + 1 here, since 0 is
        padding; on the same texts its logits are GPT-2's.

    Raises:
        RmkerasError: If it cannot be loaded, or is no GPT-2.

    Example:

    ```python
    model = load_gpt2("my-gpt2")
    ```

    Source: Radford et al. (2019), section 2.3.
    """
    import keras_hub

    backbone, tokenizer, _ = load_pretrained(name)
    if not isinstance(backbone, keras_hub.models.GPT2Backbone):
        raise RmkerasError(
            f"{name} is a {type(backbone).__name__}; expected a GPT-2, or a folder "
            "that train-lm or sft wrote"
        )
    if tokenizer.vocabulary_size != backbone.vocabulary_size + 1:
        raise RmkerasError(
            f"{name}: the tokeniser knows {tokenizer.vocabulary_size - 1} tokens and "
            f"the model {backbone.vocabulary_size}; expected as many"
        )
    model = CausalLM(
        tokenizer,
        dim=backbone.hidden_dim,
        num_layers=backbone.num_layers,
        num_heads=backbone.num_heads,
        intermediate_dim=backbone.intermediate_dim,
        max_length=max_length or backbone.max_sequence_length,
        dropout=0.0,
        activation="gelu_approximate",
    )
    model.load_gpt2(backbone)
    return model
