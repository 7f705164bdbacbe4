"""The page of a report, in a real browser."""

import pytest
from playwright.sync_api import Page

from fer_tune.report.page import render_sections
from fer_tune.report.section import Section, Table

pytestmark = pytest.mark.slow  # starts Chromium


def test_two_tables_of_a_section_do_not_touch(page: Page) -> None:
    table = Table(["class", "faces"], [["happy", "4"]])
    page.set_content(render_sections("Study", "", [Section("One", "", tables=[table, table])]))
    boxes = [each.bounding_box() for each in page.locator("table").all()]
    upper, lower = filter(None, boxes)
    assert lower["y"] - (upper["y"] + upper["height"]) >= 10
