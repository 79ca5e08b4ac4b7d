"""lti-mentor demo: the tool, its worker and the practice LMS with the story told, until Ctrl-C."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.orm import Session

from lti_mentor import clock, migrations, settings
from lti_mentor.activity import record
from lti_mentor.db import Database, connect, new_id
from lti_mentor.lti import links, platforms, registration
from lti_mentor.lti.deep_linking import HISTORIES, PlacedLink
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring import organizations
from lti_mentor.practice.story import cast, other, plan
from lti_mentor.practice.story.tell import COURSES, Told, tell
from lti_mentor.practice.world import (
    INSTRUCTOR,
    LEARNER,
    OBSERVER,
    CourseLink,
    LmsCourse,
    LmsItem,
    LmsPerson,
    World,
)
from lti_mentor.vault import Vault
from lti_mentor.web.admin import link
from xapi import keys as lrs_keys

CLIENT = "mentoring-demo"
TITLES = ("Security foundations", "Cluster operations", "Working with data")
ORGANIZATION, OTHER = "Northwind Learning", "Harbor College"
SECONDS_TO_START = 30
LARGE = 3  # the place of the large course among those of the world
GROUP = "Evening group"


def run(port: int, lms_port: int) -> None:
    """Prepare a fresh database, tell the story, start everything, print the links, wait for Ctrl-C."""
    for taken in (port, lms_port):
        if _is_taken(taken):
            raise click.ClickException(
                f"Port {taken} is taken by another program: stop it, or use --port and --lms-port."
            )
    with tempfile.TemporaryDirectory(prefix="lti-mentor-demo-") as folder:
        environment = _environment(Path(folder), port)
        loaded = settings.load(environment)
        world, invited, entrance = prepare(loaded, lms_port), invitation(loaded), administration(loaded)
        world.dump(Path(folder) / "world.json")
        with _processes(environment, Path(folder), port, lms_port):
            _show(world, port, invited, entrance)
            _show_command(_write(environment, Path(folder) / "environment"))
            _wait()
    click.echo("\nStopped; nothing is left running.")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    chosen = os.environ.get("LTI_MENTOR_DATABASE_URL")
    return kept | {
        "LTI_MENTOR_DATABASE_URL": chosen or f"sqlite:///{folder / 'demo.db'}",
        "LTI_MENTOR_BASE_URL": f"http://localhost:{port}",
        "LTI_MENTOR_SECRET_KEY": secrets.token_hex(32),
        "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true",
        "LTI_MENTOR_LOG_LEVEL": "WARNING",
    }


def prepare(loaded: settings.Settings, lms_port: int) -> World:
    """An up-to-date database with the story in it, and the world of the practice LMS."""
    database, vault = connect(loaded.database_url), Vault(loaded.secret_key)
    migrations.prepare(database, loaded, vault)
    world = make_world(
        f"http://127.0.0.1:{lms_port}",
        loaded.base_url,
        *(_key(database, vault, name) for name in (ORGANIZATION, OTHER)),
    )
    deployments = register(database, world)
    click.echo("Telling the story of twenty weeks …")
    told = tell(database, world, deployments, ORGANIZATION, _progress)
    with database.transaction() as db:
        place(db, told, deployments["1"])
    tell_other(database, world, deployments)
    database.engine.dispose()
    return world


def place(db: Session, told: Told, deployment_id: uuid.UUID) -> None:
    """A teacher placed the program in the first course, keeps it for a group there, and opened it."""
    if told.program is None:
        return
    course, deployment = told.world.courses[0], db.get_one(Deployment, deployment_id)
    link = PlacedLink(organization_id=told.organization_id, key=new_id(), kind="program", target=str(told.program.id))
    link.deployment_id, link.context_id = deployment_id, course.id
    db.add(link)
    db.flush()
    address, custom = f"{told.world.launch_url}?link={link.key}", {"mentor_link": str(link.key), **HISTORIES}
    course.links.append(CourseLink("1", told.program.name, address, custom, group=GROUP))
    links.launched(db, link, deployment, course.id, "1", title=told.program.name)


def invitation(loaded: settings.Settings) -> str:
    """An address that registers the tool with any LMS for the first organization."""
    database = connect(loaded.database_url)
    with database.transaction() as db:
        secret = registration.invite(db, organizations.named(db, ORGANIZATION).id)
    database.engine.dispose()
    return f"{loaded.base_url}/lti/register?invitation={secret}"


def administration(loaded: settings.Settings) -> str:
    """A link to the administrator's pages of the first organization, for one use."""
    database = connect(loaded.database_url)
    with database.transaction() as db:
        person = link.administrator(db, organizations.named(db, ORGANIZATION).id, loaded)
        secret = link.make(db, person)
    database.engine.dispose()
    return link.address(loaded, secret)


def _progress(done: int, total: int) -> None:
    click.echo(f"\r  {done} of {total} events", nl=done == total)


def _key(database: Database, vault: Vault, organization: str) -> str:
    with database.transaction() as db:
        owner = organizations.named(db, organization)
        key, secret = lrs_keys.add(
            db,
            tenant=owner.id,
            label="practice LMS",
            now=clock.now(),
            fingerprint=lambda text: record.key_hashes(db, vault, text)[0],
        )
    return f"{key}:{secret}"


def make_world(issuer: str, tool_url: str, key: str, other_key: str) -> World:
    """Everybody in the story, in three courses of one organization; a course as large as a year; and a second
    organization on the same issuer."""
    story = (*cast.LEARNERS, *cast.MENTORS, *cast.COORDINATORS, *cast.ANALYSTS, *cast.OBSERVERS, *cast.STRANGERS)
    everybody = (*story, *cast.TEACHERS, *cast.NEWCOMERS)
    return World(
        issuer=issuer,
        client_id=CLIENT,
        tool_url=tool_url,
        people=[LmsPerson(id=character.key, name=character.name) for character in everybody],
        courses=[*(_course(number, key) for number in range(3)), _large_course(key), _other_course(other_key)],
        offers_storage=True,
    )


def _course(number: int, key: str) -> LmsCourse:
    learners = {cast.LEARNERS[i].key: [LEARNER] for i in plan.LEARNERS if plan.certification_of(i) == number}
    mentors = {mentor.key: [LEARNER] for mentor in cast.MENTORS}
    observed: dict[str, list[str]] = {}
    if number == 0:
        mentors[cast.MENTORS[1].key] = [INSTRUCTOR]
        observed[cast.OBSERVERS[0].key] = [cast.MIDDLE.key, cast.LEARNERS[3].key]
    others = {each.key: [INSTRUCTOR] for each in cast.COORDINATORS} | {each.key: [LEARNER] for each in cast.ANALYSTS}
    return LmsCourse(
        id=str(2 + number),
        label=COURSES[number],
        title=TITLES[number],
        deployment_id="1",
        members={**learners, **mentors, **others, **{name: [OBSERVER] for name in observed}},
        observed=observed,
        items=_items(),
        lrs_key=key,
        groups={GROUP: list(learners)[::3]},
    )


def _items() -> list[LmsItem]:
    return [LmsItem(id=str(place + 1), title=item.title) for place, item in enumerate(plan.ITEMS)]


def _large_course(key: str) -> LmsCourse:
    """Nobody of it is known to the tool before its teacher opens it."""
    members = {cast.TEACHERS[0].key: [INSTRUCTOR]} | {each.key: [LEARNER] for each in cast.NEWCOMERS}
    return LmsCourse(
        id="9",
        label="WELCOME",
        title="Welcome week",
        deployment_id="1",
        members=members,
        items=_items(),
        lrs_key=key,
        groups={GROUP: [each.key for each in cast.NEWCOMERS[::20]]},
    )


def _other_course(key: str) -> LmsCourse:
    members = {each.key: [LEARNER] for each in cast.STRANGERS[1:]} | {cast.STRANGERS[0].key: [INSTRUCTOR]}
    return LmsCourse(
        id="2", label="HC1", title="Harbor basics", deployment_id="2", members=members, items=_items(), lrs_key=key
    )


def register(database: Database, world: World) -> dict[str, uuid.UUID]:
    """Let the practice LMS launch the tool; our ids of its deployments."""
    with database.transaction() as db:
        for name, deployment_id in ((ORGANIZATION, "1"), (OTHER, "2")):
            registration = platforms.Registration(
                issuer=world.issuer,
                client_id=world.client_id,
                authorization_endpoint=f"{world.issuer}/authorize",
                token_endpoint=f"{world.issuer}/token",
                jwks_uri=f"{world.issuer}/jwks",
                deployment_ids=(deployment_id,),
            )
            platform = platforms.add(db, registration, organization_id=organizations.named(db, name).id)
        platform.observers = True
        return {each.deployment_id: each.id for each in platform.deployments}


def tell_other(database: Database, world: World, deployments: dict[str, uuid.UUID]) -> None:
    """The second organization: twelve people and a program of their own, which must never show in the first."""
    other.tell(database, world, deployments["2"], OTHER)


@contextmanager
def _processes(environment: dict[str, str], folder: Path, port: int, lms_port: int) -> Iterator[None]:
    tool = [sys.executable, "-m", "lti_mentor.cli"]
    commands = [
        [*tool, "serve", "--port", str(port)],
        [*tool, "worker"],
        [sys.executable, "-m", "lti_mentor.practice", "--port", str(lms_port), "--world", str(folder / "world.json")],
    ]
    started = [subprocess.Popen(command, env=environment, start_new_session=True) for command in commands]  # noqa: S603
    try:
        for address in (f"http://localhost:{port}/healthz", f"http://127.0.0.1:{lms_port}/"):
            _wait_for(address, started)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=20)


def _wait_for(address: str, started: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in started):
            break
        try:
            with urllib.request.urlopen(address, timeout=1):  # noqa: S310 (our own address)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise click.ClickException(f"{address} does not answer.")


def _show(world: World, port: int, invited: str, entrance: str) -> None:
    roles = (
        ("Learner in the middle", cast.MIDDLE.key, 0),
        ("Brand-new learner", cast.NEW.key, plan.certification_of(55)),
        ("Certified learner", cast.CERTIFIED.key, plan.certification_of(17)),
        ("Mentor", cast.MENTORS[0].key, 0),
        ("Coordinator", cast.COORDINATORS[0].key, 0),
        ("Teacher of 2,500 people", cast.TEACHERS[0].key, LARGE),
        ("Analyst with records", cast.ANALYSTS[0].key, 0),
        ("Analyst without records", cast.ANALYSTS[1].key, 0),
        ("Observer of a learner", cast.OBSERVERS[0].key, 0),
    )
    click.echo("\nOpen one of these in a browser:")
    for title, person, course in roles:
        click.echo(f"  {title:<24} {world.issuer}/as/{person}/courses/{world.courses[course].id}")
    click.echo(f"  {'Administrator':<24} {entrance}")
    click.echo(f"  {'':<24} (once, within 15 minutes)")
    key = world.courses[0].lrs_key
    click.echo("\nThe record store, as the analysts' tools read it:")
    click.echo(f"  curl -u {key} -H 'X-Experience-API-Version: 1.0.3' http://localhost:{port}/xapi/statements")
    click.echo(f"\nRegister the tool once more, as an LMS administrator does: open {world.issuer}/tools and paste")
    click.echo(f"  {invited}")
    click.echo(f"\nAsk for somebody's data, or erase it, as an LMS administrator does: open {world.issuer}/privacy")


def _write(environment: dict[str, str], file: Path) -> Path:
    """What a command needs to find this demo; gone with its folder."""
    mine = [f"{name}={value}\n" for name, value in environment.items() if name.startswith(settings.PREFIX)]
    file.write_text("".join(mine), encoding="utf-8")
    return file


def _show_command(file: Path) -> None:
    click.echo("\nRun a command on it, such as a new key of the tool while people work:")
    click.echo(f"  env $(cat {file}) {sys.executable} -m lti_mentor.cli keys rotate")
    click.echo("\nCtrl-C stops everything.")
    sys.stdout.flush()


def _wait() -> None:
    stopped = [False]

    def stop(*_: object) -> None:
        stopped[0] = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopped[0]:
        signal.pause()
