"""Reward models on pretrained backbones: KerasHub, Hugging Face folders, MiniLM."""

from __future__ import annotations

import difflib
import json
import tempfile
from pathlib import Path

from rmkeras.errors import RmkerasError
from rmkeras.layers.pooling import LastTokenPooling, MeanPooling
from rmkeras.models.backbone import BackboneEncoder, is_causal
from rmkeras.models.bert import BertEncoder
from rmkeras.models.reward_model import RewardModel
from rmkeras.text.pretrained import PretrainedTokenizer

MINILM = "minilm"


def load_pretrained(name, data_dir=None):
    """Loads a backbone and its tokeniser.

    Args:
        name: `"minilm"`; a local folder that Hugging Face's or KerasHub's
            `save` functions wrote; or the name of a KerasHub preset, such as
            `"bert_tiny_en_uncased"`, which KerasHub fetches if it has not yet.
        data_dir: Where `rmkeras data prepare minilm` put the encoder.

    Returns:
        A `keras_hub.models.Backbone`, a `PretrainedTokenizer`, and the name of the
        activation if it is BERT's.

    Raises:
        RmkerasError: If there is no such model, or it cannot be converted.

    Example:

    >>> import tempfile
    >>> import keras_hub
    >>> from rmkeras.models import load_pretrained
    >>> folder = tempfile.mkdtemp()
    >>> keras_hub.models.BertBackbone(
    ...     vocabulary_size=9, num_layers=1, num_heads=2, hidden_dim=4,
    ...     intermediate_dim=8, max_sequence_length=8).save_to_preset(folder)
    >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film".split()
    >>> keras_hub.models.BertTokenizer(words).save_to_preset(folder)
    >>> backbone, tokenizer, _ = load_pretrained(folder)
    >>> backbone.hidden_dim, tokenizer.encode(["good film"], start=True, end=True)
    (4, [[2, 6, 8, 3]])
    """
    import keras_hub

    folder = Path(name)
    if name == MINILM:
        from rmkeras.data.minilm import minilm_folder

        folder = minilm_folder(data_dir)
    local = folder.is_dir()
    # KerasHub would look every unknown word up on the network.
    if not local and "://" not in str(name):
        known = keras_hub.models.Backbone.presets
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), 3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise RmkerasError(
                f"no model {name!r}: it is no folder and no preset that KerasHub "
                f"knows. Expected lstm, transformer, textbook-lstm, ngrams, minilm, a "
                f"preset, or a folder with config.json, weights and a tokeniser{hint}"
            )
    if local and not (folder / "config.json").is_file():
        raise RmkerasError(
            f"{folder} holds no config.json; expected a model saved by Hugging Face's "
            "save_pretrained or KerasHub's save_to_preset"
        )
    source = str(folder) if local else name
    try:
        backbone = keras_hub.models.Backbone.from_preset(source)
    except Exception as error:  # KerasHub lets every library's errors through.
        reason = str(error).strip().splitlines()[0][:300] if str(error) else "no reason"
        raise RmkerasError(
            f"KerasHub could not load {source}: {reason}. Expected minilm, a preset "
            "that KerasHub knows (fetching one needs the network), or a folder that "
            "it can convert"
        ) from error
    if local:
        tokenizer = PretrainedTokenizer.from_folder(folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            keras_hub.models.Tokenizer.from_preset(source).save_to_preset(temporary)
            tokenizer = PretrainedTokenizer.from_folder(temporary)
    return backbone, tokenizer, _activation(folder if local else None)


def _activation(folder):
    """BERT's activation: what the file says, or KerasHub's own."""
    if folder is None:
        return "gelu_approximate"
    config = json.loads((folder / "config.json").read_text("utf8"))
    names = {"gelu": "gelu", "gelu_new": "gelu_approximate"}
    return names.get(config.get("hidden_act"), "gelu_approximate")


def pretrained_encoder(name, dropout=0.0, lora_rank=0, dtype=None, data_dir=None):
    """Loads a backbone as an encoder.

    BERT becomes a `BertEncoder`, which wastes nothing on padding; any other
    backbone is used as it is, inside a `BackboneEncoder`.

    Args:
        name: See `load_pretrained`.
        dropout: Rate inside a `BertEncoder`. Other backbones keep their own.
        lora_rank: Rank of trainable additions to frozen matrices; 0 trains all.
        dtype: A Keras dtype policy, such as `"mixed_bfloat16"`.
        data_dir: See `load_pretrained`.

    Returns:
        The encoder and its tokeniser.
    """
    import keras_hub

    backbone, tokenizer, activation = load_pretrained(name, data_dir)
    if isinstance(backbone, keras_hub.models.BertBackbone) and not tokenizer.offset:
        encoder = BertEncoder(
            backbone.vocabulary_size,
            backbone.max_sequence_length,
            backbone.hidden_dim,
            backbone.num_layers,
            backbone.num_heads,
            backbone.intermediate_dim,
            num_segments=backbone.num_segments,
            activation=activation,
            dropout=dropout,
            lora_rank=lora_rank,
            dtype=dtype,
            name="encoder",
        )
        encoder.load_keras_hub_backbone(backbone)
    else:
        encoder = BackboneEncoder(
            backbone, tokenizer.offset, lora_rank, dtype=dtype, name="encoder"
        )
        encoder.build()
    return encoder, tokenizer


def pretrained_reward_model(
    name,
    max_length=256,
    dropout=0.1,
    encoder_dropout=0.0,
    lora_rank=0,
    dtype=None,
    data_dir=None,
    **kwargs,
):
    """Builds a reward model on a pretrained backbone.

    The text's vector is the mean over its tokens where the backbone looks both
    ways (BERT), and the last real token's where it is causal (GPT): only that
    one has seen the whole text.

    Args:
        name: `"minilm"`, a KerasHub preset or a local folder; see
            `load_pretrained`.
        max_length: Longest text in tokens.
        dropout: Rate before the reward head.
        encoder_dropout: Rate inside the encoder. Off by default: fine-tuning
            takes one to three passes, and chosen and rejected of a pair should
            be seen by the same network.
        lora_rank: Rank of trainable additions to frozen matrices; 0 trains all.
        dtype: A Keras dtype policy for the encoder.
        data_dir: Where `rmkeras data prepare minilm` put the encoder.
        **kwargs: Passed to `RewardModel`.

    Returns:
        A built `RewardModel`.

    Example:

    Usually `pretrained_reward_model("minilm")`; here with a tiny BERT in a folder:

    >>> import tempfile
    >>> import keras_hub
    >>> from rmkeras.models import pretrained_reward_model
    >>> folder = tempfile.mkdtemp()
    >>> keras_hub.models.BertBackbone(
    ...     vocabulary_size=9, num_layers=1, num_heads=2, hidden_dim=4,
    ...     intermediate_dim=8, max_sequence_length=8).save_to_preset(folder)
    >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] a good bad film".split()
    >>> keras_hub.models.BertTokenizer(words).save_to_preset(folder)
    >>> model = pretrained_reward_model(folder)
    >>> type(model.encoder).__name__, model.max_length
    ('BertEncoder', 8)

    Source: Ouyang et al. (2022), section 3.5, for the last token; Reimers and
    Gurevych (2019), section 3, for the mean.
    """
    encoder, tokenizer = pretrained_encoder(
        name, encoder_dropout, lora_rank, dtype, data_dir
    )
    longest = getattr(encoder, "max_length", None) or getattr(
        getattr(encoder, "backbone", None), "max_sequence_length", max_length
    )
    model = RewardModel(
        tokenizer,
        encoder,
        LastTokenPooling() if is_causal(encoder) else MeanPooling(),
        dropout=dropout,
        max_length=min(max_length, longest),
        **kwargs,
    )
    model.build()
    return model
