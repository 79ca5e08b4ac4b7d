"""Real Chromium, with its default cookie policy or with cookies of the tool blocked, and the story of the demo."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from tests.support.story import Story, told

expect.set_options(timeout=20_000)  # a condition to wait for, also on a machine that is busy

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def story(tmp_path_factory, loaded_settings) -> Iterator[Story]:
    with told(loaded_settings, f"sqlite:///{tmp_path_factory.mktemp('journeys')}/story.db") as found:
        yield found


PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def browser_context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


# Playwright loses a frame now and then that goes from one process to another twice within a moment.
ONE_PROCESS = ["--disable-site-isolation-trials", "--disable-features=IsolateOrigins,site-per-process"]

IN_FRAMES, EVERYWHERE = "localhost,127.0.0.1", "localhost,*"  # whose data is blocked, below which page


@pytest.fixture
def blocking(playwright: Playwright, tmp_path) -> Iterator[Callable[[str], BrowserContext]]:
    """A browser whose owner blocks all data of the tool, as Chromium's settings keep it."""
    with ExitStack() as opened:

        def open_browser(where: str) -> BrowserContext:
            blocked = {"cookies": {where: {"setting": 2}}}
            (tmp_path / "Default").mkdir()
            settings = {"profile": {"content_settings": {"exceptions": blocked}}}
            (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
            context = playwright.chromium.launch_persistent_context(
                str(tmp_path),
                executable_path=PROGRAM,
                args=FLAGS + ONE_PROCESS,
                viewport={"width": 1280, "height": 900},
            )
            opened.callback(context.close)
            return context

        yield open_browser
