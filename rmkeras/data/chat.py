"""From conversations to a prompt and two answers: templates and shared beginnings."""

from __future__ import annotations

import json
import os
import string
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rmkeras.data.problems import listed, show
from rmkeras.errors import RmkerasError

Message = tuple[str, str]
"""A role and what it said."""


class ChatTemplate:
    """How chat messages become one string: a Python format for each role.

    The default writes conversations as Anthropic's HH data has them, and leaves a
    system message as it is.

    Args:
        system: Format of a system message; `{content}` stands for what it says.
        user: Format of a user's message.
        assistant: Format of an assistant's message.
        **others: Formats of further roles, such as `tool="\\n\\nTool: {content}"`.

    Raises:
        RmkerasError: If a format does not hold `{content}` exactly once.

    Example:

    >>> from rmkeras.data import ChatTemplate
    >>> template = ChatTemplate(user="<u>{content}</u>", assistant="<a>{content}</a>")
    >>> template.render([("user", "2 + 2?"), ("assistant", "4")])
    '<u>2 + 2?</u><a>4</a>'
    """

    def __init__(
        self,
        system: str = "{content}",
        user: str = "\n\nHuman: {content}",
        assistant: str = "\n\nAssistant: {content}",
        **others: str,
    ):
        formats = {"system": system, "user": user, "assistant": assistant, **others}
        self.formats = formats
        self._parts = {role: _parts(role, f) for role, f in formats.items()}

    @classmethod
    def load(cls, path: str | os.PathLike) -> ChatTemplate:
        """Reads a template from a JSON file such as `{"user": "Q: {content}"}`.

        Args:
            path: The file: one object from roles to formats. Roles that it does
                not name keep their default.

        Returns:
            A `ChatTemplate`.

        Raises:
            RmkerasError: If the file cannot be read or holds something else.
        """
        try:
            formats = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise RmkerasError(f"{path}: no chat template ({error})") from error
        if not isinstance(formats, dict):
            raise RmkerasError(
                f"{path}: found {show(formats, 30)}; expected an object from roles to "
                'formats, such as {"user": "Q: {content}"}'
            )
        try:
            return cls(**formats)
        except RmkerasError as error:
            raise RmkerasError(f"{path}: {error}") from error

    def to_json(self) -> str:
        """Returns the formats as one line of JSON, which a model can keep.

        Returns:
            A string from which `ChatTemplate(**json.loads(…))` makes an equal one.
        """
        return json.dumps(self.formats, ensure_ascii=False, sort_keys=True)

    def head(self, role: str) -> str:
        """Returns what stands before a message of `role`, without trailing spaces.

        A tokenizer takes a space and the word behind it as one token, so the space
        belongs to the answer.

        Args:
            role: A role of the template.

        Returns:
            A string such as `"\\n\\nAssistant:"`.
        """
        return self._parts[role][0].rstrip(" ")

    def render(self, messages: Sequence[Message]) -> str:
        """Returns the messages as one string.

        Args:
            messages: Pairs of role and content.

        Returns:
            The formatted messages, one behind the other.
        """
        return "".join(
            self._parts[role][0] + content + self._parts[role][1]
            for role, content in messages
        )

    def __eq__(self, other) -> bool:
        return isinstance(other, ChatTemplate) and self.formats == other.formats

    __hash__ = None

    def __repr__(self) -> str:
        return (
            f"ChatTemplate({', '.join(f'{k}={v!r}' for k, v in self.formats.items())})"
        )


def saved_template(model: str | os.PathLike) -> ChatTemplate | None:
    """Reads the chat template of a saved model, without loading the model.

    Args:
        model: A `.keras` file, or a folder that holds `model.keras`.

    Returns:
        The `ChatTemplate` that the model (or the first member of an ensemble) was
        trained with; `None` if it knows none, or there is no such file.

    Example:

    >>> import os, tempfile
    >>> from rmkeras.data import ChatTemplate
    >>> from rmkeras.data.chat import saved_template
    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = lstm_reward_model(tokenizer, dim=8, units=4)
    >>> model.chat_template = ChatTemplate(user="Q: {content}").to_json()
    >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
    >>> model.save(path)
    >>> saved_template(path).formats["user"]
    'Q: {content}'
    """
    file = Path(model)
    file = file / "model.keras" if file.is_dir() else file
    try:
        with zipfile.ZipFile(file) as archive:
            found = _template_in(json.loads(archive.read("config.json")))
        return None if found is None else ChatTemplate(**json.loads(found))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None  # What is wrong with the file is said when it is loaded.


def _template_in(config: Any) -> str | None:
    """The first `chat_template` in a nest of dicts and lists."""
    if isinstance(config, dict):
        if isinstance(config.get("chat_template"), str):
            return config["chat_template"]
        config = list(config.values())
    if isinstance(config, list):
        found = (_template_in(value) for value in config)
        return next((value for value in found if value is not None), None)
    return None


def _parts(role: str, template: Any) -> tuple[str, str]:
    """What stands before and behind the content."""
    before, found = ["", ""], 0
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            before[found > 0] += literal
            if name is None:
                continue
            found += 1
            if name != "content" or spec or conversion:
                found = 2
                break
    except (ValueError, TypeError):
        found = 0
    if found != 1:
        raise RmkerasError(
            f"the chat template of {role} is {show(template)}; expected a string that "
            "holds {content} once (write other braces twice)"
        )
    return before[0], before[1]


DEFAULT_TEMPLATE = ChatTemplate()
"""Human and Assistant, as in Anthropic's HH data."""


def is_messages(value: object) -> bool:
    """Says whether a value is meant as a list of chat messages.

    Args:
        value: A raw value from a file.

    Returns:
        Whether it is a list of objects, good or bad ones.

    Example:

    >>> is_messages([{"role": "user", "content": "Hi"}]), is_messages(["Hi"])
    (True, False)
    """
    return isinstance(value, list) and any(isinstance(m, dict) for m in value)


def parse_messages(
    value: list, template: ChatTemplate, complain: Callable[[str, str, str], None]
) -> tuple[Message, ...]:
    """Checks a list of chat messages.

    Args:
        value: Objects with `role` and `content`; other fields are ignored.
        template: The roles that are known.
        complain: Takes finding, expectation and hint.

    Returns:
        Pairs of role and content; empty after a complaint.
    """
    messages = []
    for number, message in enumerate(value, 1):
        where = f"a list whose message {number}"
        if not isinstance(message, dict):
            complain(f"{where} is {show(message, 30)}", "objects", "")
            return ()
        role, content = message.get("role"), message.get("content")
        if "role" not in message or "content" not in message:
            lacks = "role" if "role" not in message else "content"
            complain(f"{where} has no {lacks}", "a role and a content in each", "")
        elif role not in list(template.formats):
            complain(
                f"{where} has the unknown role {show(role, 30)}",
                f"one of {listed(list(template.formats))}",
                "give the role a format in the chat template",
            )
        elif not isinstance(content, str):
            complain(f"{where} has the content {show(content, 30)}", "a string", "")
        else:
            messages.append((role, content))
            continue
        return ()
    return tuple(messages)


def split_strings(
    chosen: str, rejected: str, template: ChatTemplate = DEFAULT_TEMPLATE
) -> tuple[str, str, str]:
    """Takes the shared beginning of two conversations as their prompt.

    It ends with the last `"\\n\\nAssistant:"` (the template's mark of an answer)
    that both share. Two texts without that mark share whole words and lines only:
    the prompt ends before the last white space they share, or after it if it is a
    line break. Nothing is lost: `prompt + answer` is what it was.

    Args:
        chosen: The conversation that was preferred.
        rejected: The other one.
        template: The chat template.

    Returns:
        The prompt, the preferred answer and the other answer.

    Example:

    >>> from rmkeras.data import split_strings
    >>> split_strings("\\n\\nHuman: Hi\\n\\nAssistant: Hello", "\\n\\nHuman: Hi\\n\\nAssistant: Hey")
    ('\\n\\nHuman: Hi\\n\\nAssistant:', ' Hello', ' Hey')
    >>> split_strings("the film is good", "the film is great")
    ('the film is', ' good', ' great')

    Source: Bai et al. (2022), "Training a Helpful and Harmless Assistant"; the
    format of its data.
    """
    prefix = chosen[: _shared_length(chosen, rejected)]
    mark = template.head("assistant")
    if mark.strip() and mark in prefix:
        cut = prefix.rfind(mark) + len(mark)
    else:
        # An answer that the other one goes on from is no prompt: something has to
        # be left of both.
        cut = _last_border(prefix, min(len(chosen.rstrip()), len(rejected.rstrip())))
    return prefix[:cut], chosen[cut:], rejected[cut:]


def _shared_length(a: str, b: str) -> int:
    """Length of the longest common prefix, by halving: texts may be long."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _last_border(prefix: str, limit: int) -> int:
    """Where the last whole word or line of `prefix` before `limit` ends."""
    for cut in range(min(len(prefix), limit - 1), 0, -1):
        if prefix[cut - 1] in "\n\r":
            return cut
        if cut < len(prefix) and prefix[cut].isspace():
            return cut
    return 0


def split_messages(
    prompt: tuple[Message, ...] | str | None,
    chosen: tuple[Message, ...],
    rejected: tuple[Message, ...],
    template: ChatTemplate = DEFAULT_TEMPLATE,
) -> tuple[str, str, str]:
    """Takes the leading messages that two conversations share as their prompt.

    Args:
        prompt: The prompt, if the file has one: messages, or what a user said. It
            may be repeated at the start of both conversations.
        chosen: Messages of the preferred side.
        rejected: Messages of the other side.
        template: The chat template.

    Returns:
        The prompt, which ends where the answer's content begins; the preferred
        answer; the other answer. All through the template.

    Example:

    >>> from rmkeras.data import split_messages
    >>> hi = ("user", "Hi")
    >>> split_messages(None, (hi, ("assistant", "Hello")), (hi, ("assistant", "Hey")))
    ('\\n\\nHuman: Hi\\n\\nAssistant:', ' Hello', ' Hey')
    """
    n = 0
    # Each side keeps a message, or one of the answers would be empty.
    while n < min(len(chosen), len(rejected)) - 1 and chosen[n] == rejected[n]:
        n += 1
    shared = chosen[:n]
    if isinstance(prompt, str):
        said = prompt and all(content != prompt for _, content in shared)
        before = (("user", prompt),) if said else ()
    else:
        before = prompt or ()
        if shared[: len(before)] == before:
            before = ()
    head = template.render(before + shared)
    sides = [template.render(side[n:]) for side in (chosen, rejected)]
    if chosen[n][0] == rejected[n][0]:
        mark = template.head(chosen[n][0])
        head += mark
        sides = [side[len(mark) :] for side in sides]
    return head, sides[0], sides[1]


def join(prompt: tuple[Message, ...] | str, answer: tuple[Message, ...], template):
    """Renders a prompt and one answer that is a list of messages.

    Args:
        prompt: Messages, or what a user said.
        answer: Messages.
        template: The chat template.

    Returns:
        The prompt, which ends where the answer's content begins, and the answer.
    """
    if isinstance(prompt, str):
        prompt = (("user", prompt),) if prompt else ()
    mark = template.head(answer[0][0])
    return template.render(prompt) + mark, template.render(answer)[len(mark) :]
