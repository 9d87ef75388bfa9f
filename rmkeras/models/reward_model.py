"""Reward models: a text in, one number out."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.data.encode import truncate_pair
from rmkeras.layers.pooling import LastTokenPooling, MeanMaxPooling
from rmkeras.layers.reward_head import RewardHead
from rmkeras.models.encoders import LSTMEncoder, TransformerEncoder
from rmkeras.text.pretrained import tokenizer_from_json
from rmkeras.text.tokenizer import pad

TASKS = ("regression", "classification")


@keras.saving.register_keras_serializable(package="rmkeras")
class RewardModel(keras.Model):
    """Scores a text: r(x) = w · pool(encode(x)) + b.

    The tokeniser is part of the model and of its `.keras` file, so that a loaded
    model scores strings. Padding, on either side, changes no score.

    As a regressor its output is the rating itself, in the rating's unit. As a
    classifier its output is a logit, and `score` returns the probability.

    Args:
        tokenizer: A `SubwordTokenizer` or `PretrainedTokenizer`.
        encoder: A layer from ids `(batch, length)` to `(batch, length, dim)`.
        pooling: A layer from `(batch, length, dim)` and a mask to `(batch, d)`.
        dropout: Rate before the reward head.
        task: `"regression"` or `"classification"`.
        scale, shift: What the head's output is multiplied by and added to; set
            them to the training ratings' standard deviation and mean, so that a
            fresh model already speaks in the rating's unit.
        max_length: Longest text in tokens; what is beyond is cut.
        cut: Which part of a longer text is lost: its `"end"`, or its
            `"beginning"`, where a prompt stands in front of the answer that is to
            be judged.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding; or `(batch, candidates,
            length)`, such as the two sides of a comparison.

    Returns:
        `(batch, 1)` float32: ratings or logits; `(batch, candidates)` for
        candidates. All candidates go through the network in one pass.

    Example:

    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = lstm_reward_model(tokenizer, dim=8, units=4)
    >>> model.score(["a good film", ""]).shape
    (2,)

    Source: Stiennon et al. (2020), section 3.4; Ouyang et al. (2022), section 3.5.
    """

    aspects = ()
    """Names of what is rated; empty for a model with one reward."""

    chat_template = None
    """The `ChatTemplate` of the training data as JSON, if messages were rendered."""

    def __init__(
        self,
        tokenizer,
        encoder,
        pooling,
        dropout=0.0,
        task="regression",
        scale=1.0,
        shift=0.0,
        max_length=128,
        cut="end",
        augment=None,
        head=None,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if task not in TASKS:
            raise ValueError(f"task is {task!r}; expected one of {', '.join(TASKS)}")
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = dropout
        self.task = task
        self.scale = float(scale)
        self.shift = float(shift)
        self.max_length = max_length
        self.cut = cut
        self.augment = augment
        self.head_dropout = keras.layers.Dropout(dropout)
        self.head = head or RewardHead(self.scale, self.shift, name="head")

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`."""
        # A loaded encoder comes built; building it again would add a second set
        # of weights, and the saved ones would go to the first.
        if not self.encoder.built:
            self.encoder.build((None, None))
        hidden = self.encoder.compute_output_shape((None, None))
        if not self.head.built:
            self.head.build(self.pooling.compute_output_shape(hidden))
        self.built = True

    @property
    def unpads(self):
        """Whether padding costs nothing, so that lengths may be mixed."""
        return bool(getattr(self.encoder, "unpad", False))

    def call(self, ids, training=None):
        """Scores ids; see the class."""
        candidates = len(ids.shape) == 3
        if candidates:
            shape = ops.shape(ids)  # (B, K, L)
            ids = ops.reshape(ids, (-1, shape[2]))  # (B·K, L)
        if self.augment is not None:
            ids = self.augment(ids, training=training)
        h = self.encoder(ids, training=training)  # (B, L, D)
        h = self.pooling(h, mask=ops.not_equal(ids, 0))  # (B, P)
        reward = self.head(self.head_dropout(h, training=training))  # (B, 1)
        return ops.reshape(reward, shape[:2]) if candidates else reward

    def reward(self, ids):
        """Scores ids inside a graph.

        Args:
            ids: `(batch, length)` ints.

        Returns:
            `(batch,)` float32: ratings, or a classifier's logits.
        """
        return self(ids, training=False)[:, 0]

    def encode(self, texts, prompts=None):
        """Turns strings into lists of ids, at most `max_length` long.

        Args:
            texts: `n` strings; with `prompts`, the answers.
            prompts: `n` strings, or `None`. Prompt and answer are encoded apart,
                as in training on comparisons, and what is too long loses the
                beginning of the prompt, never the answer.

        Returns:
            `n` lists of ids, the end-of-text token last. An empty string becomes
            the special tokens alone.
        """
        start = self.tokenizer.start_ids
        if prompts is not None:
            room = self.max_length - len(start)
            encoded = [self.tokenizer.encode(list(x)) for x in (prompts, texts)]
            fitted = (
                truncate_pair(p, t, t, room, self.tokenizer.end_id)
                for p, t in zip(*encoded, strict=True)
            )
            return [[*start, *pair.prompt_ids, *pair.chosen_ids] for pair in fitted]
        rows = self.tokenizer.encode(
            texts, self.max_length, end=True, start=bool(start), cut=self.cut
        )
        # A model without any special token still needs one place to read from.
        return [row or [self.tokenizer.vocabulary_size - 1] for row in rows]

    def score(self, texts, batch_size=256, prompts=None):
        """Scores strings.

        Args:
            texts: A list of `n` strings, or one string; with `prompts`, the
                answers.
            batch_size: Texts a batch. The score of a text does not depend on it.
            prompts: What the texts answer, `n` strings, or `None`.

        Returns:
            A NumPy array `(n,)` of float32: ratings, or probabilities from a
            classifier.
        """
        if isinstance(texts, str):
            texts = [texts]
        return self.score_ids(self.encode(list(texts), prompts), batch_size)

    def score_ids(self, rows, batch_size=256):
        """Scores lists of ids, as `encode` returns them; see `score`."""
        return self.in_unit(self.rewards_of(rows, batch_size))

    def rewards_of(self, rows, batch_size=256):
        """Scores lists of ids as `reward` does inside a graph.

        Args:
            rows: `n` lists of ids, as `encode` returns them.
            batch_size: Texts a batch.

        Returns:
            `(n,)` float32: ratings, or a classifier's logits.
        """
        return self.outputs_of(rows, batch_size)[:, 0]

    def in_unit(self, rewards):
        """Turns what `rewards_of` returns into what `score` does.

        Args:
            rewards: A NumPy array of ratings, or of a classifier's logits.

        Returns:
            An array of that shape: ratings, or probabilities.
        """
        return probability(rewards) if self.task == "classification" else rewards

    def outputs_of(self, rows, batch_size=256):
        """Runs the network on lists of ids.

        Args:
            rows: `n` lists of ids, as `encode` returns them.
            batch_size: Texts a batch.

        Returns:
            `(n, outputs)` float32: ratings, or a classifier's logits.
        """
        if not hasattr(self, "_compiled_call"):
            import tensorflow as tf

            # One graph for every shape; `predict` would make its own each time.
            self._compiled_call = tf.function(
                lambda ids: self(ids, training=False),
                input_signature=[tf.TensorSpec((None, None), "int32")],
            )
        found = np.zeros((len(rows), self.head.outputs), "float32")
        # Neighbours in length share a batch, so that little padding is computed.
        order = np.argsort([len(r) for r in rows], kind="stable")
        for start in range(0, len(rows), batch_size):
            index = order[start : start + batch_size]
            # Widths are multiples of 8: a stable shape costs no new buffers.
            width = max(len(rows[i]) for i in index)
            ids = pad([rows[i] for i in index], -(-width // 8) * 8)
            found[index] = self._compiled_call(ids).numpy()
        return found

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {
            "name": self.name,
            "tokenizer": self.tokenizer.to_json(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "pooling": keras.saving.serialize_keras_object(self.pooling),
            "dropout": self.dropout,
            "task": self.task,
            "scale": self.scale,
            "shift": self.shift,
            "max_length": self.max_length,
            "cut": self.cut,
            "augment": keras.saving.serialize_keras_object(self.augment),
            "chat_template": self.chat_template,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from `get_config`'s result."""
        config = dict(config)
        template = config.pop("chat_template", None)
        config["tokenizer"] = tokenizer_from_json(config["tokenizer"])
        # Models that were saved before there was one have no "augment".
        for key in ("encoder", "pooling", *({"augment"} & config.keys())):
            config[key] = keras.saving.deserialize_keras_object(
                config[key], custom_objects=custom_objects
            )
        model = cls(**config)
        model.chat_template = template
        return model


def probability(logits):
    """Turns a classifier's logits, a NumPy array, into probabilities."""
    return 1.0 / (1.0 + np.exp(-logits))


def lstm_reward_model(
    tokenizer,
    dim=128,
    units=128,
    token_dropout=0.1,
    dropout=0.4,
    **kwargs,
):
    """Builds a bidirectional LSTM with mean and maximum pooling.

    Args:
        tokenizer: A `SubwordTokenizer`.
        dim: Width of the embedding.
        units: Width of the LSTM in each direction.
        token_dropout: Share of tokens hidden while training.
        dropout: Rate on embedding channels and before the head.
        **kwargs: Passed to `RewardModel`.

    Returns:
        A built `RewardModel`.

    Example:

    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = lstm_reward_model(tokenizer, dim=8, units=4)
    >>> model.score(["a good film", "a bad film"]).shape
    (2,)
    """
    encoder = LSTMEncoder(
        tokenizer.vocabulary_size,
        dim,
        units,
        token_dropout=token_dropout,
        dropout=dropout,
        name="encoder",
    )
    model = RewardModel(tokenizer, encoder, MeanMaxPooling(), dropout=dropout, **kwargs)
    model.build()
    return model


def textbook_lstm_reward_model(tokenizer, dim=128, units=128, **kwargs):
    """Builds the model of the textbooks: Embedding, LSTM, Dense(1), no dropout.

    The LSTM is masked and its last real state is read, which the textbooks
    forget; nothing else is added.

    Args:
        tokenizer: A `SubwordTokenizer`.
        dim: Width of the embedding.
        units: Width of the LSTM.
        **kwargs: Passed to `RewardModel`.

    Returns:
        A built `RewardModel`.

    Example:

    >>> from rmkeras.models import textbook_lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = textbook_lstm_reward_model(tokenizer, dim=8, units=4)
    >>> [type(part).__name__ for part in (model.encoder, model.pooling)]
    ['LSTMEncoder', 'LastTokenPooling']
    """
    encoder = LSTMEncoder(
        tokenizer.vocabulary_size, dim, units, bidirectional=False, name="encoder"
    )
    model = RewardModel(tokenizer, encoder, LastTokenPooling(), **kwargs)
    model.build()
    return model


def transformer_reward_model(
    tokenizer,
    dim=128,
    num_layers=2,
    num_heads=4,
    intermediate_dim=None,
    causal=False,
    token_dropout=0.1,
    dropout=0.2,
    max_length=128,
    language_model=None,
    **kwargs,
):
    """Builds a Transformer encoder with mean and maximum pooling.

    Args:
        tokenizer: A `SubwordTokenizer`.
        dim, num_layers, num_heads, intermediate_dim, causal: Shape of the
            encoder; taken from `language_model` if one is given.
        token_dropout: Share of tokens hidden while training.
        dropout: Rate inside the encoder and before the head.
        max_length: Longest text in tokens.
        language_model: A `CausalLM` or `MaskedLM` with the same tokeniser; its weights become
            the encoder's first weights.
        **kwargs: Passed to `RewardModel`.

    Returns:
        A built `RewardModel`.

    Raises:
        ValueError: If the language model's tokeniser is another one.

    Example:

    >>> from rmkeras.models import CausalLM, transformer_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> lm = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> model = transformer_reward_model(tokenizer, language_model=lm)
    >>> model.score(["a good film"]).shape
    (1,)
    """
    shape = {
        "dim": dim,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "intermediate_dim": intermediate_dim,
        "causal": causal,
        "max_length": max_length,
    }
    if language_model is not None:
        if language_model.tokenizer != tokenizer:
            raise ValueError(
                "the language model has another tokeniser, so its ids mean other "
                "words; pass tokenizer=language_model.tokenizer"
            )
        names = [*shape, "positions", "activation"]
        shape = {key: getattr(language_model.encoder, key) for key in names}
        shape["norm"] = language_model.encoder.norm_kind
    encoder = TransformerEncoder(
        tokenizer.vocabulary_size,
        **shape,
        token_dropout=token_dropout,
        dropout=dropout,
        name="encoder",
    )
    model = RewardModel(
        tokenizer,
        encoder,
        MeanMaxPooling(),
        dropout=dropout,
        max_length=shape["max_length"],
        **kwargs,
    )
    model.build()
    if language_model is not None:
        pairs = zip(
            encoder.weights,
            language_model.encoder.weights,  # frozen or not
            strict=True,
        )
        for ours, theirs in pairs:
            # A masked model has one token more, the hidden one: it stands last.
            ours.assign(theirs[: ours.shape[0]])
    return model
