"""What can go wrong, and the status it is answered with.

MentorError
├── NotFound            404  there is no such thing, or not for this person
├── NotAllowed          403  the thing exists and this person may not
├── Refused             409  a rule of the product says no; carries a reason
├── Invalid             422  what was typed cannot be used; carries a reason per field
├── TooMany             429  too often within a short time; may come back
├── LaunchError         400  a launch that is not opened; carries a reason
│   └── NotForUs        401  its message is for another tool (Security Framework 5.1.3)
├── PlatformError       502  an LMS did not answer as it should; may be worth a retry
└── SettingsError        –   the tool does not start

A reason is a stable code such as ``goal.past_due``; the sentence for it is made and translated in ``web/errors.py``.
"""

from collections.abc import Mapping


class MentorError(Exception):
    """Anything this product refuses on purpose."""

    status = 500
    default_reason = "error"

    def __init__(self, reason: str | None = None, **values: object) -> None:
        self.reason = reason or self.default_reason
        self.values = values
        super().__init__(self.reason)


class NotFound(MentorError):
    status = 404
    default_reason = "not_found"


class NotAllowed(MentorError):
    status = 403
    default_reason = "not_allowed"


class Refused(MentorError):
    status = 409
    default_reason = "refused"


class Invalid(MentorError):
    """``fields`` maps a form field to the reason it is refused."""

    status = 422
    default_reason = "invalid"

    def __init__(self, fields: Mapping[str, str], **values: object) -> None:
        self.fields = dict(fields)
        super().__init__("invalid", **values)


class TooMany(MentorError):
    """``seconds`` to wait before it is tried again."""

    status = 429
    default_reason = "too_many"

    def __init__(self, reason: str | None = None, *, seconds: int, **values: object) -> None:
        self.seconds = seconds
        super().__init__(reason, **values)


class LaunchError(MentorError):
    """``detail`` is for the log: never a token, never a claim's value."""

    status = 400
    default_reason = "launch.refused"

    def __init__(self, reason: str | None = None, *, detail: str = "", **values: object) -> None:
        self.detail = detail
        super().__init__(reason, **values)


class NotForUs(LaunchError):
    status = 401
    default_reason = "launch.audience"


class PlatformError(MentorError):
    status = 502
    default_reason = "platform.no_answer"

    def __init__(self, reason: str | None = None, *, retryable: bool = False, **values: object) -> None:
        self.retryable = retryable
        super().__init__(reason, **values)


class SettingsError(MentorError):
    """The message is a whole sentence for the person who starts the tool."""
