"""A certification that ended: whoever follows it sees their pages, and nobody new can choose it."""

import shutil

import pytest

from lti_mentor import shipped
from lti_mentor.mentoring import catalog, courses
from tests.support.member import Member

SECURITY = "comptia-security-plus"


@pytest.fixture
def retired(sqlite_cast, sqlite_database, tmp_path, monkeypatch):
    """The next version of the tool, whose catalog has retired what the learner of the cast follows."""
    config = tmp_path / "next" / "config"
    shutil.copytree(shipped.folder("config"), config)
    (config / "certifications" / "retired").mkdir(exist_ok=True)
    (config / "certifications" / f"{SECURITY}.toml").rename(config / "certifications" / "retired" / f"{SECURITY}.toml")
    kept = shipped.folder
    monkeypatch.setattr(shipped, "folder", lambda name: config if name == "config" else kept(name))
    catalog.entries.cache_clear()
    with sqlite_database.transaction() as db:
        courses.add_item(db, sqlite_cast.course, activity_iri="https://lms.example.org/1", title="Quiz 1")
    yield sqlite_cast
    catalog.entries.cache_clear()


@pytest.fixture
def pages(retired, sqlite_database, loaded_settings):
    return {
        name: Member(sqlite_database, loaded_settings, getattr(retired, name), retired.course)
        for name in ("learner", "mentor", "coordinator", "other_learner")
    }


def test_whoever_follows_it_sees_their_pages(retired, pages):
    assert "Security+" in pages["learner"].get("learner/").text
    page = pages["learner"].get(f"learner/pursuits/{retired.pursuit.id}")
    assert page.status_code == 200
    assert "not offered to new learners any more" in page.text
    assert pages["learner"].get(f"learner/pursuits/{retired.pursuit.id}/rating").status_code == 200
    assert pages["mentor"].get("mentor/").status_code == 200
    assert pages["mentor"].get(f"mentor/mentees/{retired.mentorship.id}").status_code == 200
    assert "CompTIA Security+" in pages["coordinator"].get(f"coordinator/courses/{retired.course.id}/map").text


def test_nobody_new_can_choose_it(pages):
    member = pages["other_learner"]
    assert "CompTIA Security+" not in member.get("learner/certifications").text
    answer = member.post("learner/certifications", "learner/certifications", certification=SECURITY)
    assert "not offered any more" in answer.text
