"""What the documentation names is there: pages, headings, commands, options, addresses, reason codes."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lti_mentor.app import create_app
from lti_mentor.cli import main
from lti_mentor.web.errors import SENTENCES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = sorted(path for path in (ROOT / "docs" / "lms").glob("*.md") if path.name != "README.md")

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"lti-mentor ([a-z][^`\n]*)")
_OPTION = re.compile(r"--[a-z][a-z-]*")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def headings(page: Path) -> set[str]:
    """As GitHub makes anchors of them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_pages_and_headings_that_exist(page):
    for target, anchor in _LINK.findall(page.read_text()):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        assert not anchor or anchor in headings(found), f"{target}#{anchor}"


def commands(page: Path) -> Iterator[list[str]]:
    """The words after each ``lti-mentor``, also where a command goes on in the next line."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    for line in _COMMAND.findall(text):
        yield re.sub(r"[\[\]]", "", line).split()


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page):
    for words in commands(page):
        command: click.Command = main
        while isinstance(command, click.Group):
            word = words.pop(0) if words else ""
            assert not word or word in command.commands, f"{command.name} {word}"
            if not word:
                break
            command = command.commands[word]
        named = {option for word in words for option in _OPTION.findall(word)}
        assert named <= options_of(command), command.name


def leaves(command: click.Command) -> Iterator[click.Command]:
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from leaves(each)
    else:
        yield command


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_options_that_a_guide_names_by_themselves_exist(page):
    known = set().union(*(options_of(each) for each in leaves(main)))
    named = {option for code in _CODE.findall(page.read_text()) for option in _OPTION.findall(code)}
    assert named <= known


@pytest.mark.parametrize(
    "page", [*GUIDES, ROOT / "docs" / "lms" / "README.md", ROOT / "docs" / "administrators.md"], ids=name_of
)
def test_reason_codes_have_a_sentence(page):
    kinds = "|".join(sorted({reason.split(".")[0] for reason in SENTENCES if "." in reason}))
    named = set(re.findall(rf"`((?:{kinds})\.[a-z_]+)`", page.read_text()))
    assert named
    assert sorted(named - set(SENTENCES)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_addresses_of_the_tool_exist(page, sqlite_database, loaded_settings):
    rules = [str(rule) for rule in create_app(loaded_settings, sqlite_database).url_map.iter_rules()]
    for address in set(re.findall(r"BASE_URL(/[\w/-]+)", page.read_text())):
        assert any(rule == address or rule.startswith((f"{address}/", f"{address}.")) for rule in rules), address


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_a_guide_is_short_and_says_what_was_seen_and_where_the_rest_is_from(page):
    text = page.read_text()
    assert text.count("\n") <= 120
    assert re.search(r"[Ss]een on a running|ot verified on a running", text)
    assert {"What to check", "When something goes wrong", "Sources"} <= set(re.findall(r"^## (.*)$", text, re.M))
    sources = re.split(r"\n\* ", text.split("## Sources", 1)[1])[1:]
    assert any("https://" in source for source in sources)
    assert all("https://" in source or re.search(r"20\d\d-\d\d", source) for source in sources)
    assert f"({page.name})" in (page.parent / "README.md").read_text()
