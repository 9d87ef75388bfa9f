"""Collecting people's judgements: the store, the web page, what becomes of them.

`rmkeras.feedback.app` holds the web page; it is imported when it is used, because
it needs the libraries of `pip install "rmkeras[annotate]"`.
"""

from rmkeras.feedback.database import Plan
from rmkeras.feedback.export import EXPORTS, export_records
from rmkeras.feedback.judgements import (
    Answer,
    Assignment,
    Conflict,
    NotAssigned,
    Progress,
)
from rmkeras.feedback.people import Rater
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import (
    ASPECTS,
    CHOICES,
    TASKS,
    Item,
    as_shown,
    check_value,
    from_shown,
)

__all__ = [
    "ASPECTS",
    "CHOICES",
    "EXPORTS",
    "TASKS",
    "Answer",
    "Assignment",
    "Conflict",
    "Item",
    "NotAssigned",
    "Plan",
    "Progress",
    "Rater",
    "Store",
    "as_shown",
    "check_value",
    "export_records",
    "from_shown",
]
