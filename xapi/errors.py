"""What the record store refuses."""

import uuid


class RecordStoreError(Exception):
    """Anything the store refuses on purpose."""


class InvalidStatement(RecordStoreError):
    """``path`` leads to the part that is wrong, such as ``actor.mbox``; ``problem`` is a sentence."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path or 'statement'}: {problem}")


class InvalidQuery(RecordStoreError):
    """The message is a sentence."""


class Conflict(RecordStoreError):
    """Another statement with this id is stored already."""

    def __init__(self, statement_id: uuid.UUID) -> None:
        self.statement_id = statement_id
        super().__init__(f"A different statement with the id {statement_id} is stored already.")
