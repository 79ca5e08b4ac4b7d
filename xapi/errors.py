"""What the record store refuses."""

import uuid


class RecordStoreError(Exception):
    """Anything the store refuses on purpose."""


class InvalidStatement(RecordStoreError):
    """``path`` leads to the part that is wrong, such as ``actor.mbox``; ``problem`` is a sentence.

    ``section`` says where the rule stands: Part Two and Three are those of xAPI 1.0.3.
    """

    def __init__(self, path: str, problem: str, section: str = "") -> None:
        self.path = path
        self.problem = problem
        self.section = section
        super().__init__(path, problem, section)

    def __str__(self) -> str:
        place = self.path or "statement"
        return f"{place}: {self.problem} ({self.section})" if self.section else f"{place}: {self.problem}"

    def inside(self, name: str) -> "InvalidStatement":
        """The same, seen from the object or list that the part is in."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return InvalidStatement(f"{name}{joint}{self.path}", self.problem, self.section)


class InvalidQuery(RecordStoreError):
    """The message is a sentence."""


class Conflict(RecordStoreError):
    """The id belongs to another statement, which may be gone by now."""

    def __init__(self, statement_id: uuid.UUID) -> None:
        self.statement_id = statement_id
        super().__init__(f"The id {statement_id} belongs to another statement already.")


class VoidingRefused(RecordStoreError):
    """Somebody else has stored the statement."""

    def __init__(self, statement_id: uuid.UUID) -> None:
        super().__init__(f"The statement {statement_id} is of another key: a key with the scope all voids it.")


class InvalidDocument(RecordStoreError):
    """The message is a sentence."""


class DocumentConflict(RecordStoreError):
    """A writer that says nothing of what it expects would replace a document."""

    def __init__(self) -> None:
        super().__init__(
            "There is a document already. Read it, and send its ETag as If-Match to replace what you have read."
        )


class PreconditionFailed(RecordStoreError):
    """The document is not as If-Match or If-None-Match say."""

    def __init__(self) -> None:
        super().__init__("The document is not what If-Match or If-None-Match expect: read it again.")


class DocumentTooLong(RecordStoreError):
    def __init__(self, longest: int) -> None:
        super().__init__(f"A document here has at most {longest} bytes.")


class NotOfProfile(RecordStoreError):
    """A statement does not follow the profile that it names; each problem has its place and its template."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class InvalidPath(RecordStoreError):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not a JSONPath of the kind that profiles may use.")
