"""The one course of the second platform, and what stands in for Open edX around the LTI code."""

import uuid
from types import SimpleNamespace
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from lti_consumer.data import Lti1p3LaunchData
from lti_consumer.models import CourseAllowPIISharingInLTIFlag, Lti1p3Passport, LtiConfiguration
from lti_consumer.plugin import compat
from opaque_keys.edx.keys import CourseKey, UsageKey

COURSE = CourseKey.from_string("course-v1:Second+C1+2026")
PLACE = UsageKey.from_string("block-v1:Second+C1+2026+type@lti_consumer+block@mentoring")
SCHOOL = settings.LMS_ROOT_URL.replace("127.0.0.1", "localhost")  # shows the courses, and is not the issuer
TEACHERS = ("coordinator",)
ROLES = {True: "instructor", False: "student"}


def external_id(user: User) -> str:
    """What a tool knows a user by: the same in launches and in the roster, and no user name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, user.username))


def people(names: list[str]) -> dict[str, str]:
    """Enroll everybody; the id of each for the tool, by name."""
    given = [User(username=name, first_name=name.title(), email=f"{name}@example.org") for name in names]
    User.objects.bulk_create(given)
    return {user.username: external_id(user) for user in User.objects.all()}


def place_tool(url: str) -> LtiConfiguration:
    """As an author of the course does, with all services switched on."""
    passport = Lti1p3Passport.objects.create(name="LTI Mentor", lti_1p3_tool_keyset_url=f"{url}/lti/jwks")
    return LtiConfiguration.objects.create(
        version=LtiConfiguration.LTI_1P3,
        config_store=LtiConfiguration.CONFIG_ON_DB,
        location=PLACE,
        lti_1p3_passport=passport,
        lti_1p3_oidc_url=f"{url}/lti/login",
        lti_1p3_launch_url=f"{url}/lti/launch",
        lti_advantage_deep_linking_enabled=True,
        lti_advantage_deep_linking_launch_url=f"{url}/lti/launch",
        lti_advantage_enable_nrps=True,
        lti_advantage_ags_mode=LtiConfiguration.LTI_ADVANTAGE_AGS_PROGRAMMATIC,
    )


def launch_data(user: User) -> Lti1p3LaunchData:
    """What the XBlock says about a person who opens the tool; names only where the course shares them."""
    shares = CourseAllowPIISharingInLTIFlag.current(COURSE).enabled
    return Lti1p3LaunchData(
        user_id=user.id,
        external_user_id=external_id(user),
        user_role=ROLES[user.username in TEACHERS],
        config_id=LtiConfiguration.objects.get().config_id,
        resource_link_id=str(PLACE),
        name=user.first_name if shares else None,
        email=user.email if shares else None,
        launch_presentation_document_target="iframe",
        launch_presentation_return_url=f"{SCHOOL}/courses/1",
        context_id=str(COURSE),
        context_type=["course_offering"],
        context_title="Second course",
        context_label="C1",
    )


def stand_in() -> None:
    """Answer what the LTI code asks the rest of Open edX."""
    compat.get_course_members = members
    compat.batch_get_or_create_externalids = external_ids
    compat.user_has_studio_write_access = lambda user, course: user.username in TEACHERS
    compat.get_course_by_id = lambda course: SimpleNamespace(id=course)
    compat.user_course_access = compat.user_has_access = lambda *asked, **how: True
    compat.load_block_as_user = lambda place: Component()
    compat.get_user_from_external_user_id = user_of


class Component:
    """The tool as the gradebook of Open edX knows it: graded, with a score of each person on the progress page."""

    display_name = "Mentoring"
    has_score = True
    scope_ids = SimpleNamespace(usage_id=PLACE)
    scores: ClassVar[dict[str, float]] = {}  # by name, from 0 to 1

    def is_past_due(self) -> bool:
        return False

    def max_score(self) -> int:
        return 1

    def set_user_module_score(self, user: User, score: float, most: int, comment: str | None) -> None:
        self.scores[user.username] = score * most


def user_of(external: str) -> User:
    return next(user for user in User.objects.all() if external_id(user) == external)


def members(course: CourseKey) -> dict[int, dict[str, object]]:
    return {
        user.id: {
            "id": user.id,
            "username": user.username,
            "name": user.first_name,
            "email": user.email,
            "roles": [ROLES[user.username in TEACHERS]],
        }
        for user in User.objects.all()
    }


def external_ids(users: object) -> dict[int, SimpleNamespace]:
    """Without the profiles of Open edX, which are asked for beforehand."""
    return {user.id: SimpleNamespace(external_user_id=external_id(user)) for user in users.prefetch_related(None)}
