"""What the house promises about itself."""

import ast
import base64
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import UniqueConstraint

from lti_mentor import migrations, shipped
from lti_mentor.db import Base
from lti_mentor.settings import Settings
from lti_mentor.web.errors import SENTENCES

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(ROOT / "lti_mentor").rglob("*.py"),
    *(ROOT / "xapi").rglob("*.py"),
]
OURS = [path for path in SOURCES if "versions" not in path.parts]


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def test_no_function_is_longer_than_60_lines_and_no_file_longer_than_500():
    long = [
        f"{path.name}:{node.name}" for path in OURS for node in functions(path) if node.end_lineno - node.lineno >= 60
    ]
    assert long == []
    assert [path.name for path in OURS if path.read_text().count("\n") > 500] == []


def test_only_the_clock_reads_the_time():
    pattern = re.compile(r"datetime\.now\(|datetime\.utcnow|date\.today\(|time\.time\(")
    allowed = {"clock.py", "tokens.py"}  # the practice LMS is another machine with its own clock
    assert [path.name for path in OURS if pattern.search(path.read_text()) and path.name not in allowed] == []


def test_every_setting_is_explained_where_it_is_set():
    text = (shipped.folder("config") / "default.toml").read_text()
    assert set(tomllib.loads(text)) == {field.name for field in fields(Settings)}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z_]+ =", line):
            assert lines[number - 1].startswith("#") or re.match(r"[a-z_]+ =", lines[number - 1]), line


def test_every_row_belongs_to_an_organization_or_stands_in_the_list_of_the_installation():
    for name, table in Base.metadata.tables.items():
        if name in migrations.INSTALLATION_WIDE:
            assert "organization_id" not in table.columns or name == "deployments", name
            continue
        assert "organization_id" in table.columns, name
        for key in table.constraints:
            if isinstance(key, UniqueConstraint):
                first = next(iter(key.columns)).name
                assert first == "organization_id" or name in ("visits", "deployments"), (name, key.name)


def test_every_reason_in_the_code_has_a_sentence():
    errors = "NotFound|NotAllowed|Refused|TooMany|LaunchError|NotForUs|VisitOver|PlatformError"
    raised = re.compile(rf'(?:{errors})\(\s*"([a-z_.]+)"')
    fields_ = re.compile(r'(?:wrong\[[^]]*\] = |Invalid\(\{[^:}]*: )"([a-z_.]+)"')
    found = {reason for path in OURS for rule in (raised, fields_) for reason in rule.findall(path.read_text())}
    assert len(found) > 60
    assert sorted(found - set(SENTENCES)) == []


def test_every_reason_of_a_launch_or_a_registration_is_explained_to_administrators():
    explained = re.findall(r"^\| `([a-z_.]+)` \| .+ \| .+ \|$", (ROOT / "docs" / "reason-codes.md").read_text(), re.M)
    assert sorted(explained) == sorted(each for each in SENTENCES if each.startswith(("launch.", "registration.")))


def test_the_migrations_make_exactly_the_rows(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, migrations.metadata()) == []


@pytest.mark.parametrize("place", ["lti_mentor/web/static/vendor", "tests/journeys/clients"])
def test_vendored_files_are_what_they_say(place):
    folder = ROOT / place
    listed = json.loads((folder / "vendor.json").read_text())
    assert {each["file"] for each in listed} == {path.name for path in folder.iterdir()} - {"vendor.json"}
    for each in listed:
        digest = base64.b64encode(hashlib.sha384((folder / each["file"]).read_bytes()).digest()).decode()
        assert each["sha384"] == f"sha384-{digest}"
        assert each["version"]
        assert each["license"]


def test_lock_files_have_hashes_and_no_address():
    for name in ("base.txt", "dev.txt", "second-platform.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_the_second_platform_of_the_tests_is_no_part_of_the_product():
    """It is AGPL-3.0: a peer over HTTP, in an environment of its own."""
    importing = re.compile(r"^\s*(?:from|import) (?:lti_consumer|django)", re.M)
    assert [path.name for path in SOURCES if importing.search(path.read_text())] == []
    for name in ("pyproject.toml", "requirements/base.txt", "requirements/dev.txt"):
        assert not re.search(r"lti.consumer|^django", (ROOT / name).read_text(), re.M | re.I), name
    knowing = re.compile(r"^\s*(?:from|import) (?:lti_mentor|xapi)", re.M)
    theirs = (ROOT / "tests" / "support" / "second_platform").glob("*.py")
    assert [path.name for path in theirs if knowing.search(path.read_text())] == []


PAGE = """
import sys, pathlib
import lti_mentor
assert pathlib.Path(lti_mentor.__file__).is_relative_to(sys.argv[1]), lti_mentor.__file__
from lti_mentor import migrations, settings
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.vault import Vault
loaded = settings.load()
database = connect(loaded.database_url)
migrations.prepare(database, loaded, Vault(loaded.secret_key))
client = create_app(loaded, database).test_client()
assert "opens from a course" in client.get("/lti/launch").text
assert client.get("/healthz").json == {"status": "ok"}
assert client.get("/static/app.css").status_code == 200
print("served")
"""


@pytest.mark.parametrize("decoy", [False, True])
def test_a_wheel_in_a_clean_environment_serves_a_page(tmp_path, decoy):
    """Installed without the checkout; folders of strangers with our names change nothing."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    if decoy:
        for name in ("templates", "config"):
            (target / name).mkdir()
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    clean = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path[:0] = {[str(target), *libraries]!r}\n" + PAGE,
        str(target),
    ]
    environment = {
        "LTI_MENTOR_SECRET_KEY": "x" * 40,
        "LTI_MENTOR_DATABASE_URL": f"sqlite:///{tmp_path}/page.db",
    }
    done = subprocess.run(clean, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("served"), done.stderr


def test_the_feature_page_has_all_84_rows_and_names_tests_that_exist():
    text = (ROOT / "docs" / "features.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \| (no|partly|yes) \| (.*) \| (.*) \|$", text, re.M)
    assert [int(number) for number, *_ in rows] == list(range(1, 85))
    for number, state, _, tests in rows:
        named = [name.strip() for name in tests.split(",") if name.strip()]
        assert bool(named) == (state != "no"), number
        assert all((ROOT / name).exists() for name in named), number
