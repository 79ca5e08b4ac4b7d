"""The coordinator's pages."""

from lti_mentor.web.coordinator import activities, course_map, grades, home, learner, people, program
from lti_mentor.web.coordinator.blueprint import coordinator

__all__ = ["activities", "coordinator", "course_map", "grades", "home", "learner", "people", "program"]
