"""Tokenisers that came with a pretrained model, behind `SubwordTokenizer`'s methods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rmkeras.errors import RmkerasError
from rmkeras.text.tokenizer import PAD_ID, SubwordTokenizer, cut_ids


class PretrainedTokenizer:
    """The tokeniser of a pretrained model, in rmkeras' convention for padding.

    Id 0 is padding and nothing else, as everywhere in rmkeras. BERT's
    vocabularies agree; others, such as GPT-2's, have a word there. Those are
    shifted: their token i is our id i + 1, and `offset` is 1.

    Special tokens that a person types are text, never special tokens.

    Args:
        state: The JSON string that `to_json` returned.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.text import PretrainedTokenizer
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "film"]
    >>> _ = (folder / "vocab.txt").write_text("\\n".join(words))
    >>> tokenizer = PretrainedTokenizer.from_folder(folder)
    >>> tokenizer.encode(["A good film"], start=True, end=True)
    [[2, 4, 5, 6, 3]]
    >>> tokenizer.decode([[2, 4, 5, 6, 3]])
    ['a good film']
    """

    def __init__(self, state: str):
        from tokenizers import Tokenizer

        fields = json.loads(state)
        self._tokenizer = Tokenizer.from_str(json.dumps(fields["tokenizer"]))
        # Files carry the settings of whoever saved them, such as a cut at 128.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self.offset = int(fields["offset"])
        self._start = list(fields["start"])
        self._end = list(fields["end"])

    @classmethod
    def from_folder(cls, folder: str | Path) -> PretrainedTokenizer:
        """Reads the tokeniser of a saved model.

        Args:
            folder: A folder with `tokenizer.json` (Hugging Face), `vocab.txt`
                (BERT), `vocab.json` and `merges.txt` (GPT-2), or a KerasHub
                preset with such files.

        Returns:
            A `PretrainedTokenizer`.

        Raises:
            RmkerasError: If there is no tokeniser that can be read.
        """
        folder = Path(folder)
        tokenizer = _read(folder)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        offset = 0 if tokenizer.token_to_id("[PAD]") == PAD_ID else 1
        inside = tokenizer.encode("a", add_special_tokens=False).ids
        whole = tokenizer.encode("a", add_special_tokens=True).ids
        at = next(
            (i for i in range(len(whole)) if whole[i : i + len(inside)] == inside),
            0,
        )
        start, end = whole[:at], whole[at + len(inside) :]
        if not end:
            # GPT-2's own settings put nothing at the end; a reward model needs
            # a token that has seen everything.
            ending = tokenizer.token_to_id("<|endoftext|>")
            end = [] if ending is None else [ending]
        return cls(
            json.dumps(
                {
                    "tokenizer": json.loads(tokenizer.to_str()),
                    "offset": offset,
                    "start": [i + offset for i in start],
                    "end": [i + offset for i in end],
                }
            )
        )

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, padding included."""
        return self._tokenizer.get_vocab_size() + self.offset

    @property
    def pad_id(self) -> int:
        """Id of padding, always 0."""
        return PAD_ID

    @property
    def end_id(self) -> int | None:
        """Id that ends a text; `None` if this vocabulary has none."""
        return self._end[-1] if self._end else None

    @property
    def start_ids(self) -> list[int]:
        """Ids that stand in front of every text, such as `[CLS]`."""
        return list(self._start)

    def encode(
        self,
        texts: Sequence[str],
        max_length: int | None = None,
        end: bool = False,
        start: bool = False,
        cut: str = "end",
    ) -> list[list[int]]:
        """Turns strings into lists of ids.

        Args:
            texts: Strings, `(batch,)`.
            max_length: Longest list returned, in tokens, special ones included.
            end: Whether the model's ending, such as `[SEP]`, is appended.
            start: Whether the model's beginning, such as `[CLS]`, is put in front.
            cut: Which part of a text that is too long is lost, its `"end"` or its
                `"beginning"`. Special tokens always stay.

        Returns:
            A list of `batch` lists of ints.
        """
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows = [[i + self.offset for i in e.ids] for e in encoded]
        tail = self._end if end else []
        head = self._start if start else []
        return [cut_ids(row, max_length, head, tail, cut) for row in rows]

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Turns id sequences back into strings; special tokens are left out.

        Args:
            ids: `(batch, length)` ints, padded or ragged.

        Returns:
            A list of `batch` strings.
        """
        rows = [[int(i) - self.offset for i in row if int(i) != PAD_ID] for row in ids]
        return [t.strip() for t in self._tokenizer.decode_batch(rows)]

    def to_json(self) -> str:
        """Returns the whole state as one JSON string."""
        return json.dumps(
            {
                "tokenizer": json.loads(self._tokenizer.to_str()),
                "offset": self.offset,
                "start": self._start,
                "end": self._end,
            }
        )

    def __eq__(self, other) -> bool:
        return isinstance(other, PretrainedTokenizer) and json.loads(
            self.to_json()
        ) == json.loads(other.to_json())

    __hash__ = None


def tokenizer_from_json(state: str) -> SubwordTokenizer | PretrainedTokenizer:
    """Rebuilds a tokeniser of either kind.

    Args:
        state: What its `to_json` returned.

    Returns:
        The tokeniser.

    Example:

    >>> from rmkeras.text import SubwordTokenizer, tokenizer_from_json
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> tokenizer_from_json(tokenizer.to_json()) == tokenizer
    True
    """
    pretrained = "offset" in json.loads(state)
    return PretrainedTokenizer(state) if pretrained else SubwordTokenizer(state)


def _read(folder: Path):
    """The `tokenizers.Tokenizer` of a Hugging Face or KerasHub folder."""
    from tokenizers import Tokenizer
    from tokenizers.implementations import BertWordPieceTokenizer, ByteLevelBPETokenizer

    file = folder / "tokenizer.json"
    # A KerasHub preset has a file of this name with the layer's settings.
    settings = json.loads(file.read_text("utf8")) if file.is_file() else {}
    if "model" in settings:
        return Tokenizer.from_file(str(file))
    options = settings.get("config", {})
    if not options and (folder / "tokenizer_config.json").is_file():
        options = json.loads((folder / "tokenizer_config.json").read_text("utf8"))
    lowercase = options.get("do_lower_case", options.get("lowercase", True))
    for words in (folder / "vocab.txt", _asset(folder, "vocabulary.txt")):
        if words.is_file():
            # What KerasHub's own tokeniser does not do with accents, BERT does.
            return Tokenizer.from_str(
                BertWordPieceTokenizer(
                    str(words), lowercase=lowercase, strip_accents=lowercase
                ).to_str()
            )
    for words, merges in (
        (folder / "vocab.json", folder / "merges.txt"),
        (_asset(folder, "vocabulary.json"), _asset(folder, "merges.txt")),
    ):
        if words.is_file() and merges.is_file():
            bpe = ByteLevelBPETokenizer(str(words), str(merges), add_prefix_space=False)
            ending = "<|endoftext|>"
            if bpe.token_to_id(ending) is not None:
                bpe.add_special_tokens([ending])
            return Tokenizer.from_str(bpe.to_str())
    raise RmkerasError(
        f"{folder} holds no tokeniser that can be read; expected tokenizer.json, "
        "vocab.txt, or vocab.json with merges.txt (SentencePiece models have to be "
        "converted to tokenizer.json first)"
    )


def _asset(folder: Path, name: str) -> Path:
    return folder / "assets" / "tokenizer" / name
