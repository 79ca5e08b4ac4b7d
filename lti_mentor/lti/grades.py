"""Assignment and Grade Services 2.0: a column of our own, scores into it, and what the platform made of them."""

import json
import math
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from lti_mentor.errors import PlatformError
from lti_mentor.lti import quirks, texts
from lti_mentor.lti.contexts import ContextServices, address
from lti_mentor.lti.messages import reviewable
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.services import Service, before_query, with_query
from lti_mentor.tool import Tool

_SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/"
COLUMN, COLUMN_READ = f"{_SCOPE}lineitem", f"{_SCOPE}lineitem.readonly"
SCORE, RESULT_READ = f"{_SCOPE}score", f"{_SCOPE}result.readonly"
_TYPE = "application/vnd.ims.lis."
LINE_ITEM, LINE_ITEMS = f"{_TYPE}v2.lineitem+json", f"{_TYPE}v2.lineitemcontainer+json"
SCORES, RESULTS = f"{_TYPE}v1.score+json", f"{_TYPE}v2.resultcontainer+json"
NO_SUCH_COLUMN = (404, 410)
NO_SUCH_LINK = (400, 403, 404, 412, 422)  # the link is gone, or may have no column: see the quirk tied_columns


@dataclass(frozen=True)
class Gradebook:
    """The gradebook of one context. Only scopes that the launch listed are asked for."""

    tool: Tool
    platform: Platform
    services: ContextServices

    def _service(self, *wanted: str) -> Service:
        """Raises PlatformError when none of the wanted scopes was given."""
        granted = [scope for scope in wanted if scope in self.services.grade_scopes]
        if not granted:
            raise PlatformError("grades.no_scope")
        return Service(self.tool, self.platform, granted)

    @cached_property
    def _scores(self) -> Service:
        return self._service(SCORE)

    @property
    def may_look(self) -> bool:
        """Whether the platform says which columns there are."""
        return not {COLUMN, COLUMN_READ}.isdisjoint(self.services.grade_scopes)

    @property
    def may_read(self) -> bool:
        return RESULT_READ in self.services.grade_scopes

    @property
    def _lineitems(self) -> str:
        """Raises PlatformError."""
        if self.services.lineitems_url is None:
            raise PlatformError("grades.not_offered")
        return self.services.lineitems_url

    def is_near(self, column_url: str) -> bool:
        """Whether the column is where the list of columns is: a token is sent there.

        Without a list there is no other than one that a launch named by itself.
        """
        lineitems = self.services.lineitems_url
        return lineitems is None or origin(column_url) == origin(lineitems)

    def is_there(self, column_url: str) -> bool:
        """Whether the platform has the column; that it has none, only the address of the column itself can say.

        Raises PlatformError where it does not answer now.
        """
        try:
            self._service(COLUMN, COLUMN_READ).call("GET", column_url, accept=LINE_ITEM)
        except PlatformError as problem:
            if problem.retryable:
                raise
            return not _is_answered(problem, NO_SUCH_COLUMN)
        return True

    def find(self, key: uuid.UUID) -> str | None:
        """The address of our column, by resource id alone: a tag or a label is copied with the course.

        Raises PlatformError.
        """
        service, lineitems = self._service(COLUMN, COLUMN_READ), self._lineitems
        for page in service.pages(with_query(lineitems, "resource_id", str(key)), accept=LINE_ITEMS):
            for item in page.body if isinstance(page.body, list) else []:
                if isinstance(item, Mapping) and item.get("resourceId") == str(key):
                    return self._near(item.get("id"))
        return None

    def make(self, key: uuid.UUID, label: str, maximum: int, *, tag: str, link_id: str | None) -> str:
        """The address of a new column under this key. Raises PlatformError.

        It is tied to the resource link whose content it is about, where one is known and the platform lets us.
        """
        lineitems = self._lineitems
        item: dict[str, Any] = {"label": label, "scoreMaximum": maximum, "resourceId": str(key), "tag": tag}
        item["submissionReview"] = reviewable(f"{self.tool.settings.base_url}/lti/launch")
        if link_id is not None and quirks.ties_columns(self.platform.issuer, self.platform.family):
            try:
                return self._posted(lineitems, {**item, "resourceLinkId": link_id})
            except PlatformError as problem:
                if not _is_answered(problem, NO_SUCH_LINK):
                    raise
        return self._posted(lineitems, item)

    def _posted(self, lineitems: str, item: Mapping[str, Any]) -> str:
        answer = self._service(COLUMN).call(
            "POST", lineitems, accept=LINE_ITEM, body=json.dumps(item).encode(), sends=LINE_ITEM
        )
        made = answer.json()
        return self._near(made.get("id") if isinstance(made, Mapping) else None)

    def _near(self, given: Any) -> str:
        """The address of a column. Raises PlatformError."""
        url = address(given)
        if url is None or not self.is_near(url):
            raise PlatformError("grades.no_column")
        return url

    def publish(self, column_url: str, score: "Score") -> None:
        """Tell one score. Raises PlatformError with the ``status`` of the platform."""
        extras = quirks.score_extras(self.platform.issuer, self.platform.family)
        self._scores.call(
            "POST",
            before_query(column_url, "/scores"),
            accept="application/json",
            body=json.dumps({**score.as_json(), **extras}).encode(),
            sends=SCORES,
        )

    def results(self, column_url: str, *, until: datetime) -> Iterator[tuple[str, float, float]]:
        """Subject, points and maximum of everybody the platform has a result of.

        Raises PlatformError, also when there are more pages after ``until``.
        """
        url = before_query(column_url, "/results")
        for page in self._service(RESULT_READ).pages(url, accept=RESULTS, until=until):
            for result in page.body if isinstance(page.body, list) else []:
                found = _result(result)
                if found is not None:
                    yield found


def _is_answered(problem: PlatformError, statuses: Collection[int]) -> bool:
    """By the gradebook: what a token server answers has other reasons."""
    return problem.reason == "platform.bad_status" and problem.values.get("status") in statuses


def _result(result: Any) -> tuple[str, float, float] | None:
    if not isinstance(result, Mapping):
        return None
    subject = texts.as_id(result.get("userId"))
    points, maximum = result.get("resultScore"), result.get("resultMaximum", 1)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (points, maximum))
    if subject is None or not numbers or maximum <= 0:
        return None
    try:
        result = subject, float(points or 0), float(maximum)
    except OverflowError:
        return None
    return result if all(map(math.isfinite, result[1:])) else None


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a person has, of how much, as of when; and when they began and last handed in something for it.

    A number that counts as it stands is FullyGraded. Whether the person has more to do is another question, which
    activityProgress answers. One that is pending is partial; most platforms show nobody such a number (the quirk
    only_graded). Without points what was told before is taken away: the person is as if they had not begun.
    """

    subject: str
    points: int | None
    maximum: int
    is_complete: bool
    is_pending: bool
    at: datetime
    began_at: datetime | None
    handed_in_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        times = {"startedAt": self.began_at, "submittedAt": self.handed_in_at}
        submission = {name: _written(at) for name, at in times.items() if at is not None}
        if self.points is None:
            said = {"activityProgress": "Initialized", "gradingProgress": "NotReady"}
            return {"userId": self.subject, **said, "timestamp": _written(self.at)}
        return {
            "userId": self.subject,
            "scoreGiven": self.points,
            "scoreMaximum": self.maximum,
            "activityProgress": "Completed" if self.is_complete else "InProgress",
            "gradingProgress": "Pending" if self.is_pending else "FullyGraded",
            "timestamp": _written(self.at),
            **({"submission": submission} if submission else {}),
        }


def _written(at: datetime) -> str:
    """With parts of a second and a zone: some platforms refuse times without."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
