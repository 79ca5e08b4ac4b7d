"""Walking the URL map: every address of a visit, asked as somebody."""

import uuid

from lti_mentor.web import visit
from lti_mentor.web.forms import csrf_token

# What is typed into the address of a page that shows nothing without it.
TYPED = {"admin.look_at_rule": {"days": 9, "whose": "all"}}


def open_visit(database, app, person, course_id):
    with database.transaction() as db:
        return visit.open_visit(db, person, course_id=course_id, framing_origins=[], hours=1)


def ask(app, opened, rule, things):
    client = app.test_client()
    values = {name: things[name] for name in rule.arguments - {"visit_key"}}
    adapter = app.url_map.bind("localhost:8000")
    url = adapter.build(rule.endpoint, {**values, **TYPED.get(rule.endpoint, {}), "visit_key": opened.key})
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    if "POST" in rule.methods:
        token = csrf_token(
            visit.Visit(opened.key, opened.secret, None, None, "en", "UTC", (), None, frozenset(), False)
        )
        return client.post(url, data={"csrf": token, "once": uuid.uuid4().hex}, base_url="http://localhost:8000")
    return client.get(url, base_url="http://localhost:8000")


def send(app, opened, form, changed):
    """The form as it was shown, but for one field."""
    client = app.test_client()
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    kept = [pair for pair in form.filled if pair[0] not in (changed[0], "once")]
    data = {}
    for name, value in [*kept, changed, ("once", uuid.uuid4().hex)]:
        data.setdefault(name, []).append(value)
    if form.method == "POST":
        return client.post(form.action, data=data, base_url="http://localhost:8000")
    return client.get(form.action, query_string=data, base_url="http://localhost:8000")


def routes(app):
    return [rule for rule in app.url_map.iter_rules() if "visit_key" in rule.arguments]
