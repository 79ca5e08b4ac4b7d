"""The LTI of the package, and the few pages of a course that lead into it."""

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path
from lti_consumer import api
from lti_consumer.models import CourseAllowPIISharingInLTIFlag

from tests.support.second_platform import course


def open_tool(request: HttpRequest, name: str) -> HttpResponse:
    """Sign in and open what is in the course: the tool itself, or what was placed by deep linking."""
    return HttpResponseRedirect(api.get_lti_1p3_content_url(_signed_in(request, name)))


def choose(request: HttpRequest, name: str) -> HttpResponse:
    """Sign in and let the tool offer its content."""
    return HttpResponseRedirect(api.get_lti_1p3_launch_start_url(_signed_in(request, name), deep_link_launch=True))


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
    path("share-names", share_names),
    path("api/", include("lti_consumer.plugin.urls", namespace="lti_consumer")),
]
