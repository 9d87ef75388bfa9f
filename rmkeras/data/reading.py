"""From rows to records: which type a file holds, and each row parsed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rmkeras.data.chat import DEFAULT_TEMPLATE, ChatTemplate
from rmkeras.data.exports import ExportFile, open_export
from rmkeras.data.fields import Fields
from rmkeras.data.plain import DocumentFile, is_document
from rmkeras.data.problems import Problem, file_name, listed
from rmkeras.data.records import Record
from rmkeras.data.rows import Row, RowFile
from rmkeras.data.schemas import FIELD_NAMES, TYPES_AND_FIELDS, Schema, infer, schema

_PEEK_ROWS, _PEEK_CHARACTERS = 20, 2**20


class Reading:
    """A file on its way to records.

    Args:
        path: The file, an export of Label Studio or Argilla, plain text, or an
            address that begins with `tfds:`.
        type: The type of its records; None to look at the fields.
        template: How chat messages become strings; None for the default.

    Attributes:
        source: The rows and the complaints about them.
        schema: The type, once it is known.
    """

    def __init__(self, path, type: str | None, template: ChatTemplate | None):
        self.path = path
        self.schema: Schema | None = None if type is None else schema(type)
        self.template = DEFAULT_TEMPLATE if template is None else template
        name = file_name(path)
        if name.startswith("tfds:"):
            from rmkeras.data.tfds_source import TfdsFile

            self.source: RowFile = TfdsFile(name)
        elif (export := open_export(path, type)) is not None:
            self.source = export
            self.schema = schema(export.kind)
        elif type in (None, "text") and is_document(path):
            self.source = DocumentFile(name, noun="texts")
        else:
            self.source = RowFile(
                name, known=FIELD_NAMES, required=self._required, noun=self._noun
            )

    @property
    def _noun(self) -> str:
        return self.schema.noun if self.schema else "feedback records"

    def records(self) -> Iterator[tuple[int, Record | None]]:
        """Yields the line and record of each row; None in place of a bad one.

        Yields:
            Pairs, in the order of the file.
        """
        source, found = self.source, False
        if not source.load(self.path):
            return
        rows = source.rows()
        if self.schema is None and source.is_json:
            rows = self._infer(rows)
        for row in rows:
            found = True
            if self.schema is None or self._lacks_columns():
                yield row.line, None  # The header was reported.
                continue
            yield row.line, self.schema.parse(Fields(row, source, self.template))
        if not found and not source.problems:
            source.complain(
                None, "the file has a header and no rows", self._noun, fatal=True
            )

    def _infer(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Looks at the first rows for the type; gives back all rows."""
        head, names = [], set()
        for row in rows:
            head.append(row)
            names.update(row.values)
            if len(head) == _PEEK_ROWS or self.source.characters > _PEEK_CHARACTERS:
                break
        if head:
            self.schema = infer(names)
        if head and self.schema is None:
            self._complain_about_type(head[0].line, names)
        return chain(head, rows)

    def _required(self, names: list[str]) -> tuple[str, ...]:
        """What the header of a CSV file has to name."""
        if self.schema is None:
            self.schema = infer(names)
        if self.schema is None:
            line = next(iter(self.source.columns.values()))[1]
            self._complain_about_type(line, names)
            return ()
        return self.schema.required

    def _complain_about_type(self, line: int, names) -> None:
        self.source.complain(
            line,
            f"no type of feedback has these fields: {listed(sorted(names))}",
            f"the fields of one type ({TYPES_AND_FIELDS})",
            fatal=True,
        )

    def _lacks_columns(self) -> bool:
        source = self.source
        return not source.is_json and not source.columns.keys() >= set(
            self.schema.required
        )

    def unknown_columns(self) -> list[Problem]:
        """Says which columns the type does not have.

        Returns:
            One warning, or none; of an export what was left unread, of plain text
            how it was read.
        """
        if isinstance(self.source, ExportFile | DocumentFile):
            return self.source.notes()
        columns = self.source.columns
        if self.schema is None:
            return []
        fields = self.schema.fields
        unknown = [v for k, v in columns.items() if k not in fields]
        if not unknown:
            return []
        return [
            Problem(
                self.source.file,
                unknown[0][1],
                "columns",
                f"not known: {listed([name for name, _ in unknown])}",
                f"none but {', '.join(fields)}",
                "the others are ignored",
            )
        ]
