"""A study of 50 trials in MLflow's UI, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from fer_tune.tracking.ui_view_and_links import build_study_url
from tests.browser.studies import OUTCOME, Recorded

pytestmark = pytest.mark.slow

Keep = Callable[[str], None]

SCORES = ["best/macro_f1", "best/accuracy", "best/gap", "best/train_accuracy", "best/epoch"]


@pytest.fixture
def address(study: Recorded, ui: str) -> str:
    """Return the address that a search prints, with another port."""
    return build_study_url(study.store, study.run_id).replace("http://127.0.0.1:5000", ui)


def _open(page: Page, address: str, study: Recorded) -> None:
    page.goto(address)
    _expect_trials(page, study)


def _expect_trials(page: Page, study: Recorded) -> None:
    """Expect the study's trials, the best of them visible, and no group."""
    expect(page.get_by_role("link", name=study.ranking[0])).to_be_visible()
    expect(page.get_by_text("50 matching runs")).to_be_visible()
    expect(page.get_by_text("Group:")).to_have_count(0)


def _trials(page: Page) -> list[str]:
    """Return the names on the page, from the top; MLflow draws only rows near the visible ones."""
    rows = page.locator(".ag-pinned-left-cols-container .ag-row", has=page.get_by_role("link"))
    shown = [(row.get_attribute("row-index"), row.get_by_role("link")) for row in rows.all()]
    return [link.inner_text() for _, link in sorted(shown, key=lambda row: int(row[0] or 0))]


def _drawn(name: str) -> str:
    """Return the label of an axis: MLflow cuts a name of more than 15 characters in its middle."""
    return name if len(name) <= 15 else f"{name[:6]}...{name[-6:]}"


def test_the_printed_address_shows_the_trials_alone_the_best_first(
    page: Page, address: str, study: Recorded, keep: Keep
) -> None:
    _open(page, address, study)
    first = page.locator(".ag-pinned-left-cols-container .ag-row[row-index='0']")
    expect(first).to_contain_text(study.ranking[0])
    shown = _trials(page)
    assert len(shown) > 20
    assert shown == study.ranking[: len(shown)]
    keep("trials")


def test_the_columns_are_the_score_what_goes_with_it_and_what_the_space_varies(
    page: Page, address: str, study: Recorded, keep: Keep
) -> None:
    page.set_viewport_size({"width": 3600, "height": 1000})
    _open(page, address, study)
    chosen = [*SCORES, "fer_tune.ended", *study.space.parameters]
    headers = page.locator(".ag-header-cell[aria-colindex]")
    expect(headers).to_have_count(len(chosen) + 4)
    placed = sorted(headers.all(), key=lambda each: int(each.get_attribute("aria-colindex") or 0))
    shown = [header.inner_text().strip() for header in placed]
    assert shown == ["", "Run Name", "Created", *chosen, "Duration"]
    for status in ("completed", "pruned"):
        expect(page.get_by_role("gridcell", name=status, exact=True).first).to_be_visible()
    keep("columns")


def test_the_charts_begin_with_every_parameter_and_the_score_and_fold_up_single_classes(
    page: Page, address: str, study: Recorded, keep: Keep
) -> None:
    _open(page, address, study)
    page.locator("label", has=page.locator("input[value=CHART]")).click()
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    every = [
        f"log10_{name}" if getattr(each, "log", False) else name
        for name, each in study.space.parameters.items()
        if not each.when
    ]
    labels = cards.first.locator(".parcoords .label")
    expect(labels).to_have_text([_drawn(name) for name in (*every, "best/macro_f1")])
    keep("charts")
    sections = page.get_by_test_id("experiment-view-compare-runs-section-header")
    named = [text.split("\n")[0] for text in sections.all_inner_texts()]
    assert named[:3] == ["Parameters and score", "Score against gap", "val"]
    assert named[-4:] == ["best", "val_f1", "val_precision", "val_recall"]
    sections.last.scroll_into_view_if_needed()
    expect(page.get_by_role("heading", name="gap", exact=True)).to_be_visible()
    keep("curves")
    expect(page.get_by_role("heading", name="disgust")).to_have_count(0)
    sections.nth(-3).click()
    expect(page.get_by_role("heading", name="disgust")).to_have_count(1)


def test_all_trials_of_a_study_are_selected_and_compared_at_once(
    page: Page, address: str, study: Recorded, keep: Keep
) -> None:
    _open(page, address, study)
    page.get_by_role("columnheader").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Comparing 50 Runs from 1 Experiment")).to_be_visible()
    axes = page.locator(".pcp-plot .axis-title")
    expect(axes).to_have_count(4)
    *parameters, metric = axes.all_text_contents()
    assert {name.removeprefix("log10_") for name in parameters} < study.space.parameters.keys()
    assert metric == "best/macro_f1"
    keep("compared")
    # In its order: the scores of trials before the curves, those of single classes last.
    metrics = page.get_by_title("Plot chart")
    metrics.first.scroll_into_view_if_needed()
    assert all(name.strip().startswith("best/") for name in metrics.all_inner_texts()[:6])
    keep("compared-metrics")


def test_a_trial_shows_which_classes_it_confuses(
    page: Page, address: str, study: Recorded, keep: Keep
) -> None:
    _open(page, address, study)
    page.get_by_role("link", name=study.ranking[0]).click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("confusion.png", exact=True).first.click()
    picture = page.get_by_alt_text("confusion.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 500
    keep("trial")


def test_the_studys_page_says_what_one_looks_at_and_leads_to_its_trials(
    page: Page, study: Recorded, ui: str, keep: Keep
) -> None:
    page.goto(f"{ui}/#/experiments/{study.store.experiment_id}/runs/{study.run_id}")
    expect(page.get_by_text(OUTCOME)).to_be_visible()
    page.get_by_text("Show more").click()
    expect(page.get_by_role("cell", name="confusion.png of a trial")).to_be_visible()
    expect(page.locator("code", has_text="augmentation")).to_be_visible()
    keep("study")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Compare the trials").click()
    _expect_trials(opened.value, study)


def test_a_study_is_among_the_views_of_the_experiment(page: Page, study: Recorded, ui: str) -> None:
    runs = f"#/experiments/{study.store.experiment_id}/runs"
    page.goto(f"{ui}/{runs}?workflowType=machine_learning")
    page.get_by_test_id("saved-views-trigger").click()
    page.get_by_role("menuitem", name=study.name).click()
    _expect_trials(page, study)
