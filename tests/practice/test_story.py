"""The numbers of the story, recounted from the record store alone, and the same on the analyst's page."""

import re
import statistics
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import floor

import pytest
from sqlalchemy import create_engine, select, text

from lti_mentor.activity.profile import ours
from lti_mentor.activity.statements import ACTIVITY_VERBS
from lti_mentor.db import connect
from lti_mentor.insight import explain, figures
from lti_mentor.mentoring.mentorships import Mentorship
from tests.support.story import Story, told
from tests.support.visitor import Visitor
from xapi import profile

VERB = "http://adlnet.gov/expapi/verbs/"
STREAM = "http://activitystrea.ms/schema/1.0/"
TINCAN = "http://id.tincanapi.com/verb/"
TLA = "https://w3id.org/xapi/tla/verbs/"
OURS = "https://w3id.org/lti-mentor/xapi/"
PLANNED_START = "http://id.tincanapi.com/extension/planned-start-time"
ORIGINAL = OURS + "extensions/original-due-date"
DUE = "https://w3id.org/xapi/tla/extensions/due_date"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def story(request, tmp_path_factory, loaded_settings):
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('story')}/story.db"
    else:
        server = request.getfixturevalue("postgres_url")
        engine = create_engine(server.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE DATABASE story"))
        engine.dispose()
        url = server.replace("/postgres", "/story")
    with told(loaded_settings, url) as found:
        yield found


@pytest.fixture(scope="module")
def said(story: Story) -> list[dict]:
    """Our own statements, oldest first."""
    mine = [each for each in story.statements() if each["actor"]["account"]["homePage"] == story.url]
    return sorted(mine, key=lambda each: at(each))


def at(statement) -> datetime:
    return datetime.fromisoformat(statement["timestamp"])


def of(said, verb, part=""):
    return [each for each in said if each["verb"]["id"] == verb and part in each["object"].get("id", "")]


def who(found) -> set[str]:
    return {each["actor"]["account"]["name"] for each in found}


def registration(statement) -> str:
    return statement["context"]["registration"]


def extension(statement, name):
    return statement["context"]["extensions"][name]


def test_the_funnel(said):
    mentees = who(each for each in of(said, VERB + "registered") if "mentee" in each["context"]["extensions"].values())
    start = min(at(each) for each in of(said, TLA + "planned", "/programs/"))
    met = {registration(each) for each in of(said, VERB + "attended")}
    paired = of(said, STREAM + "join")
    earned = [each for each in of(said, TINCAN + "earned") if at(each) >= start]
    counts = [
        len(mentees),
        len(mentees & who(of(said, VERB + "launched"))),
        len(who(paired)),
        len(met),
        len(who(of(said, TLA + "achieved"))),
        len(who(earned)),
    ]
    assert counts == [64, 56, 48, 43, 27, 11]


def test_mentorships(said):
    closed = {registration(each) for each in (*of(said, VERB + "completed"), *of(said, STREAM + "leave"))}
    assert (len(of(said, VERB + "completed", "/mentorships/")), len(of(said, STREAM + "leave"))) == (3, 4)
    open_pairs = {registration(each) for each in of(said, STREAM + "join")} - closed
    counted = {VERB + "attended", VERB + "progressed", VERB + "shared", TINCAN + "defined", TLA + "achieved"}
    counted |= {STREAM + "accept", STREAM + "reject", TINCAN + "rated"}
    since = datetime.now(UTC) - timedelta(days=30)
    lively = {
        registration(each)
        for each in said
        if each["verb"]["id"] in counted and at(each) > since and "registration" in each.get("context", {})
    }
    assert (len(open_pairs), len(open_pairs & lively)) == (41, 34)


def test_meetings(said):
    now = datetime.now(UTC)
    planned = of(said, STREAM + "schedule")
    past = [each for each in planned if datetime.fromisoformat(extension(each, PLANNED_START)) <= now]
    settled = [len(of(said, verb)) for verb in (VERB + "attended", OURS + "verbs/missed", STREAM + "cancel")]
    assert (len(past), settled) == (334, [291, 18, 25])


def test_goals(said):
    achieved, removed = of(said, TLA + "achieved"), of(said, TLA + "deselected")
    on_time = [each for each in achieved if at(each).date() <= date.fromisoformat(extension(each, ORIGINAL))]
    goals = {each["object"]["id"]: date.fromisoformat(extension(each, DUE)) for each in of(said, TINCAN + "defined")}

    def goal(statement):
        return next(
            each["id"] for each in statement["context"]["contextActivities"]["other"] if "/goals/" in each["id"]
        )

    closed = {goal(each) for each in (*achieved, *removed)}
    overdue = [each for each, due in goals.items() if each not in closed and due < datetime.now(UTC).date()]
    assert (len(goals), len(achieved), len(on_time), len(removed)) == (130, 52, 44, 12)
    assert (len(goals) - len(closed), len(overdue)) == (66, 9)


def test_evidence(said):
    last, submitted, waits = {}, {}, []
    for each in (each for each in said if "/evidence/" in each["object"].get("id", "")):
        piece, verb = each["object"]["id"], each["verb"]["id"]
        if verb == VERB + "shared":
            submitted[piece] = at(each)
        else:
            waits.append((at(each) - submitted[piece]) / timedelta(days=1))
        last[piece] = verb
    counted = Counter(last.values())
    assert (len(last), counted[STREAM + "accept"], counted[STREAM + "reject"]) == (148, 112, 24)
    waiting = [submitted[piece] for piece, verb in last.items() if verb == VERB + "shared"]
    assert (len(waiting), (datetime.now(UTC) - min(waiting)).days) == (12, 9)
    assert round(statistics.median(waits), 2) == 2.5


def test_pursuits(said):
    started = {
        (each["actor"]["account"]["name"], each["object"]["id"]): each for each in of(said, TLA + "planned", "/cert")
    }
    assert len(started) == 52
    start = min(at(each) for each in of(said, TLA + "planned", "/programs/"))
    earned = [each for each in of(said, TINCAN + "earned") if at(each) >= start]
    days = [
        (at(each).date() - at(started[each["actor"]["account"]["name"], each["object"]["id"]]).date()).days
        for each in earned
    ]
    assert (min(days), max(days), statistics.median(days)) == (71, 162, 118)
    assert len(who(of(said, VERB + "failed", "/exam"))) == 2


OWN_ESTIMATE = OURS + "extensions/own-estimate"
PARTS = OURS + "extensions/readiness-parts"


def program_start(said) -> date:
    return min(at(each) for each in of(said, TLA + "planned", "/programs/")).date()


def week_of(said, moment: datetime) -> int:
    return (moment.astimezone(UTC).date() - program_start(said)).days // 7 + 1


def readiness_by_week(said) -> dict[int, tuple[float, float, int]]:
    """Mean confirmed, mean own and how many people, of the last word of everybody at the end of each week."""
    words = of(said, VERB + "scored", "/certifications/")
    found = {}
    for week in range(1, week_of(said, datetime.now(UTC)) + 1):
        last = {(name(each), each["object"]["id"]): each["result"] for each in words if week_of(said, at(each)) <= week}
        if last:
            confirmed = statistics.fmean(each["score"]["raw"] for each in last.values())
            own = statistics.fmean(each["extensions"][OWN_ESTIMATE] for each in last.values())
            found[week] = (confirmed, own, len({who_said for who_said, _ in last}))
    return found


def name(statement) -> str:
    return statement["actor"]["account"]["name"]


def test_readiness_rises_in_an_s(said):
    confirmed = [values[0] for values in readiness_by_week(said).values()]
    start, middle, end = confirmed[2] - confirmed[0], confirmed[14] - confirmed[2], confirmed[-1] - confirmed[14]
    assert all(after > before - 0.5 for before, after in pairwise(confirmed))
    assert start < 2
    assert middle > 40
    assert end < 5


def test_learners_overestimate_by_9_points_at_the_start_and_3_in_the_end(said):
    by_week = readiness_by_week(said)
    first, last = by_week[2], by_week[max(by_week)]
    assert 8.5 <= first[1] - first[0] <= 9.5
    assert 2.5 <= last[1] - last[0] <= 3.5


def test_domain_5_is_weakest_everywhere(said):
    last = {(name(each), each["object"]["id"]): each["result"] for each in of(said, VERB + "scored", "/cert")}
    for result in last.values():
        values = {part["domain"][-1]: part["value"] for part in result["extensions"][PARTS]}
        assert values["5"] == min(values.values())


def rows(page: str, section: str) -> list[list[int]]:
    """The numbers in the table of a section of the page."""
    table = re.search(rf'aria-labelledby="{section}".*?<tbody>(.*?)</tbody>', page, re.S)[1]
    return [[int(cell) for cell in re.findall(r"<t[hd][^>]*>(\d+)<", row)] for row in table.split("</tr>")[:-1]]


def half_up(value: float) -> int:
    return floor(value + 0.5)


def test_the_charts_of_the_analysts_page_equal_a_recount_from_statements(story, said):
    page = Visitor().launch(story.world.issuer, "analyst-1", story.world.courses[0].id).text
    counted = Counter(
        (week_of(said, datetime.fromisoformat(extension(each, PLANNED_START))), verb)
        for verb in (VERB + "attended", OURS + "verbs/missed", STREAM + "cancel")
        for each in of(said, verb)
    )
    weeks = range(1, week_of(said, datetime.now(UTC)) + 1)
    kinds = (VERB + "attended", OURS + "verbs/missed", STREAM + "cancel")
    assert rows(page, "weeks") == [[week, *(counted[week, verb] for verb in kinds)] for week in weeks]
    shown = {week: values for week, values in readiness_by_week(said).items() if values[2] >= 10}
    assert rows(page, "readiness") == [
        [week, half_up(confirmed), half_up(own), people] for week, (confirmed, own, people) in shown.items()
    ]
    held = [counted[week, VERB + "attended"] for week in weeks]
    assert max(held[8:10]) < min(held[4:8]), "the dip of weeks 9 and 10"


def test_the_statements_an_explanation_names_are_enough_for_its_figure(story, said):
    """Each figure again, from nothing but the statements with the verbs that stand beside it."""
    base, now = story.url, datetime.now(UTC)
    program = of(said, TLA + "planned", "/programs/")[0]["object"]["id"]
    whole = figures.summarize(figures.gather(said, program=program, base=base), now)

    def again(figure):
        verbs = {verb.iri for verb in explain.of(figure).verbs}
        part = [each for each in said if each["verb"]["id"] in verbs]
        return figures.summarize(figures.gather(part, program=program, base=base), now)

    assert (again("active").active.part, again("active").active.whole) == (34, 41)
    assert (again("meetings").meetings.part, again("meetings").meetings.whole) == (291, 334)
    assert (again("on_time").on_time.part, again("on_time").on_time.whole) == (44, 61)
    assert again("certified").certified == 11
    assert again("exams").exams_booked == 7
    assert again("funnel").funnel == whole.funnel
    assert [week for week in again("weeks").weeks if week.held] == [week for week in whole.weeks if week.held]
    assert again("readiness").readiness == whole.readiness


def test_a_pair_is_silent_for_its_coordinator_when_the_record_store_says_so(story, said):
    counted = {verb.iri for verb in ACTIVITY_VERBS}
    last = {
        registration(each): at(each)
        for each in said
        if each["verb"]["id"] in counted and "registration" in each.get("context", {})
    }
    database = connect(story.settings.database_url)
    with database.reading() as db:
        pairs = db.scalars(select(Mentorship).where(Mentorship.id.in_([uuid.UUID(text) for text in last]))).all()
    database.engine.dispose()
    assert {str(pair.id): pair.active_at for pair in pairs} == last


def test_no_statement_carries_a_name_or_typed_text(story, said):
    texts = " ".join(str(each) for each in said)
    for person in story.world.people:
        assert person.name is None or person.name not in texts
    assert "practice questions" not in texts
    assert "Security certification push" not in texts


def test_the_second_organization_never_shows(story, said):
    strangers = {person.id for person in story.world.people if person.id.startswith("stranger")}
    assert not strangers & {each["actor"]["account"]["name"] for each in story.statements()}
    assert len({each["id"] for each in said}) == len(said)


def test_the_analysts_page_says_the_same(story):
    page = Visitor().launch(story.world.issuer, "analyst-1", story.world.courses[0].id).text
    said = re.search(r'id="sentence">(.*?)</p>', page, re.S).group(1)
    assert "34 of 41 open mentorships were active in the last 30 days (83 %, target 80)." in said
    assert "11 people are certified, target 20; 7 exams are booked." in said
    assert all(f">{value}<" in page for value in ("83 %", "87 %", "72 %", "11"))
    assert "half of them within 118 days of beginning" in page
    funnel = re.search(r'id="funnel-text">(.*?)</desc>', page).group(1)
    assert funnel == "enrolled 64, opened the course 56, paired 48, met 43, achieved a goal 27, certified 11"
    assert "291 held, 18 missed, 25 called off" in page


def test_an_analyst_without_records_sees_no_actor_and_no_score(story):
    with_records, without = Visitor(), Visitor()
    with_records.launch(story.world.issuer, "analyst-1", story.world.courses[0].id)
    without.launch(story.world.issuer, "analyst-2", story.world.courses[0].id)
    one = with_records.get(f"{with_records.page.url}statements").text
    other = without.get(f"{without.page.url}statements").text
    assert re.search(r"Person [0-9a-f]{8}", one)
    assert "This person" in one
    assert not re.search(r"Person [0-9a-f]{8}", other)
    assert "This person" not in other
    assert " of 100" not in other


def test_the_mentor_and_the_coordinator_see_who_needs_them(story):
    mentor, coordinator = Visitor(), Visitor()
    home = mentor.launch(story.world.issuer, "mentor-1", story.world.courses[0].id).text
    assert "4 mentees · 3 reviews waiting, oldest 9 days · 1 exam in 9 days" in re.sub(r"\s+", " ", home)
    assert re.search(r"Security\+ <strong>46</strong>, \+6", home)
    page = coordinator.launch(story.world.issuer, "coordinator-1", story.world.courses[0].id).text
    assert re.findall(r'class="big">(\d+)</strong>', page) == ["20", "3", "5", "2"]


def test_each_home_opens_for_each_link_of_the_demo(story):
    for person, course, words in (
        ("learner-1", 0, "46</strong> confirmed"),
        ("learner-1", 0, "Quiz 4"),
        ("learner-56", 1, "Set your first goal in this course"),
        ("learner-18", 2, "certified"),
    ):
        home = Visitor().launch(story.world.issuer, person, story.world.courses[course].id)
        assert home.status_code == 200
        assert words in home.text, person


def test_every_statement_follows_the_profile_and_every_life_its_pattern(said):
    """As a checker elsewhere would do it, from what the record store gives."""
    find = {each["id"]: each for each in said}.get
    lives = profile.lives(ours(), said)
    assert sum(map(len, lives.values())) == len(said)
    counted = Counter()
    for (pair, life), statements in lives.items():
        followed = profile.follows(ours(), statements, find)
        names = [pattern.removeprefix(OURS + "patterns/") for pattern in followed]
        things = {each["object"].get("definition", {}).get("type", "").rpartition("/")[2] for each in statements}
        inside = "mentorship" if pair == life else "goal" if "goal" in things else "pursuit"
        expected = "beside" if pair is None else inside
        assert expected in names, (expected, [each["verb"]["display"]["en"] for each in statements])
        counted[expected] += 1
    assert counted["beside"] == 1
    assert counted["mentorship"] == len(of(said, STREAM + "join"))
    assert counted["goal"] > 20
    assert counted["pursuit"] > 10
