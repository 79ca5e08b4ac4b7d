"""The LTI of the package, and the few pages of a course that lead into it."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path
from django.utils.html import escape
from lti_consumer import api
from lti_consumer.models import CourseAllowPIISharingInLTIFlag

from tests.support.second_platform import course


def open_tool(request: HttpRequest, name: str) -> HttpResponse:
    """Sign in and open what is in the course: the tool itself, or what was placed by deep linking."""
    return HttpResponseRedirect(api.get_lti_1p3_content_url(_signed_in(request, name)))


def choose(request: HttpRequest, name: str) -> HttpResponse:
    """Sign in and let the tool offer its content."""
    return HttpResponseRedirect(api.get_lti_1p3_launch_start_url(_signed_in(request, name), deep_link_launch=True))


def show(request: HttpRequest, name: str) -> HttpResponse:
    """The page of the course, with the tool in a frame."""
    frame = (
        f'<iframe title="Mentoring" src="{settings.LMS_ROOT_URL}/as/{escape(name)}" width="900" height="700"></iframe>'
    )
    return HttpResponse(f"<!doctype html><title>Course</title>{frame}")


def progress(request: HttpRequest, name: str) -> HttpResponse:
    """What the learner sees of their scores."""
    score = course.Component.scores.get(name)
    return HttpResponse("No score yet." if score is None else f"Mentoring: {score:.0%}")


def share_names(request: HttpRequest) -> HttpResponse:
    """What an administrator of Open edX allows for a course."""
    CourseAllowPIISharingInLTIFlag.objects.create(course_id=course.COURSE, enabled=True)
    return HttpResponse("Names are shared.")


def _signed_in(request: HttpRequest, name: str) -> object:
    user = User.objects.get(username=name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return course.launch_data(user)


urlpatterns = [
    path("as/<name>", open_tool),
    path("as/<name>/choose", choose),
    path("courses/1/<name>", show),
    path("courses/1/<name>/progress", progress),
    path("share-names", share_names),
    path("api/", include("lti_consumer.plugin.urls", namespace="lti_consumer")),
]
