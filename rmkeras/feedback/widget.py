"""Comparing in a notebook: the page's compare task, on the same store.

Needs `pip install "rmkeras[notebooks]"`.
"""

from __future__ import annotations

import html
import time
import uuid

import ipywidgets as widgets

from rmkeras.errors import RmkerasError
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import from_shown

BUTTONS = {
    "left": "Left is better",
    "right": "Right is better",
    "tie": "Equally good",
    "bad": "Both bad",
    "skip": "Skip",
}
"""What can be answered, and the label of its button."""


class CompareWidget(widgets.VBox):
    """Two answers side by side, and buttons that say which is better.

    An answer is in the store, on the disk, before the next pair appears. The
    sides are in random order, drawn by the store and recorded, as on the page of
    `rmkeras annotate`; both may be used at once on one file.

    Where no widget can be shown (a notebook on GitHub, a printed page, a screen
    reader that reads the saved file) the text stands in its place: the prompt and
    both answers, see `text`.

    Args:
        store: A `Store`, or the path of one.
        name: Who compares.

    Attributes:
        asked: The `Assignment` on the screen; None when there is nothing left.
        buttons: The buttons by choice, `"undo"` among them.

    Raises:
        RmkerasError: If the name is empty.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?")])
    1
    >>> page = CompareWidget(store, "Ada")
    >>> page.buttons["tie"].click()
    >>> [answer.value for answer in store.answers()], page.text()
    ([{'choice': 'tie'}], 'Ada has answered 1 of 1. Nothing is left to compare.')
    """

    def __init__(self, store: Store, name: str):
        if not isinstance(store, Store):
            store = Store(store)
        self.store = store
        self.rater = store.rater(name)
        self.asked = None
        wide = widgets.Layout(width="50%", padding="0 1em", overflow="auto")
        self._prompt = widgets.HTML()
        self._sides = [widgets.HTML(layout=wide), widgets.HTML(layout=wide)]
        self._state = widgets.HTML()
        self.buttons = {
            choice: widgets.Button(description=label, tooltip=label)
            for choice, label in {**BUTTONS, "undo": "Undo"}.items()
        }
        for choice in BUTTONS:
            self.buttons[choice].on_click(lambda _, c=choice: self.answer(c))
        self.buttons["undo"].on_click(lambda _: self.undo())
        bar = widgets.HBox(
            list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap")
        )
        super().__init__([self._prompt, widgets.HBox(self._sides), bar, self._state])
        self._next()

    def answer(self, choice: str) -> None:
        """Stores an answer to the pair on the screen and shows the next one.

        Args:
            choice: One of `BUTTONS`.

        Raises:
            RmkerasError: If it is none of these.
        """
        if choice not in BUTTONS:
            raise RmkerasError(
                f"choice is {choice!r}; expected one of {', '.join(BUTTONS)}"
            )
        if self.asked is None:
            return
        item = self.asked.item
        value = {"skip": True} if choice == "skip" else {"choice": choice}
        value = from_shown(item, self.asked.shown, value)
        seconds = time.monotonic() - self._since
        try:
            self.store.answer(self._id, self.rater, item.id, value, seconds)
        except RmkerasError as error:
            # Answered in another window, for one: say so and go on.
            self._next(str(error))
        else:
            self._next()

    def undo(self) -> None:
        """Takes back the latest answer; its pair comes again."""
        if self.store.undo(self.rater) is None:
            self._next("There is nothing to undo.")
        else:
            self._next()

    def text(self) -> str:
        """What is on the screen, as plain text.

        Returns:
            The prompt and both answers, or that nothing is left.
        """
        progress = self.store.progress(self.rater)
        done = progress.answered
        count = f"{self.rater.name} has answered {done} of {done + progress.left}."
        if self.asked is None:
            return f"{count} Nothing is left to compare."
        left, right = self.asked.texts
        prompt = self.asked.item.prompt
        asked = f"Prompt: {prompt}\n" * bool(prompt) + f"Left: {left}\nRight: {right}"
        return f"{count} Which is better?\n{asked}"

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = self.text()
        return bundle

    def _next(self, said: str = "") -> None:
        self.asked = self.store.next_item(self.rater, "compare")
        # Made up once for each pair: a second click stores nothing twice.
        self._id = uuid.uuid4().hex
        self._since = time.monotonic()
        nothing = self.asked is None
        for choice in BUTTONS:
            self.buttons[choice].disabled = nothing
        prompt, texts = "", ("", "")
        if not nothing:
            prompt, texts = self.asked.item.prompt, self.asked.texts
        self._prompt.value = _shown(prompt)
        for box, side, text in zip(self._sides, ("Left", "Right"), texts, strict=True):
            box.value = "" if nothing else f"<b>{side}</b>{_shown(text)}"
        # What people see has to be what a screen reader reads.
        status = html.escape(f"{said} {self.text().splitlines()[0]}".strip())
        self._state.value = f'<span role="status">{status}</span>'


def _shown(text: str) -> str:
    """Text that keeps its lines and its own direction, and is never markup."""
    style = "white-space: pre-wrap; overflow-wrap: anywhere"
    return f'<div dir="auto" style="{style}">{html.escape(text)}</div>'
