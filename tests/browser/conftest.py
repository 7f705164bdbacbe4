import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.mlflow_ui import mlflow_ui
from tests.browser.studies import Recorded, record_study
from tests.machine import bring, lacks

_PATIENCE = 60_000  # milliseconds that a page may take to show something
_STILL = 2_000  # milliseconds after which charts have mostly been drawn; no test depends on it


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield the machine's Chromium, without a window."""
    if not _chromium() and (reason := bring("chromium")):
        lacks(reason)
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return a completed study of 50 trials."""
    return record_study(tmp_path_factory.mktemp("studies"), trials=50)


@pytest.fixture(scope="session")
def ui(study: Recorded) -> Iterator[str]:
    """Yield the address of an MLflow UI that shows the study."""
    database = Path(study.store.uri.removeprefix("sqlite:///"))
    with mlflow_ui(database.parents[1]) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield an empty page, as wide as a screen, that reaches only this machine."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(_PATIENCE)
    page.route(lambda url: not url.startswith("http://127.0.0.1:"), lambda route: route.abort())
    # MLflow's assistant would open, once in each browser, and take a third of the page.
    page.add_init_script(
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
    )
    yield page
    page.close()


@pytest.fixture
def keep(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that saves a picture of the page in .pytest_cache/d/browser."""
    folder = request.config.cache.mkdir("browser")

    def picture(name: str) -> None:
        page.wait_for_timeout(_STILL)
        page.screenshot(path=folder / f"{name}.png")

    return picture


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)
