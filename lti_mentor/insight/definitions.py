"""What each figure of the insight pages counts. Everything is read from statements; times are their ``timestamp``.

A mentorship is **open** when its mentee joined it and neither completed nor left it. It is **active** when one of
ACTIVITY was said about it within ACTIVE_DAYS. A goal is **on time** when achieved by its original due date; it is
**due** when it was achieved or its current due date has passed. A meeting counts from its planned time on. Somebody
is **certified** when a certification was earned since the program started.
"""

from lti_mentor.activity.statements import ACTIVITY_VERBS

ACTIVE_DAYS = 30
ACTIVITY = frozenset(verb.iri for verb in ACTIVITY_VERBS)
