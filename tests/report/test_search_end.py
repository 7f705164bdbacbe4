from pathlib import Path

import pytest

from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import open_store
from fer_tune.tracking.ui_view_and_links import REPORT_FILE
from tests.small_study import FinishedStudy


def test_the_end_of_a_search_writes_the_report_and_keeps_it_in_mlflow(
    small_study: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_study.folder)
    written = Path("mlruns", "studies", small_study.name, REPORT_FILE)
    assert f"Report: {written}" in small_study.printed
    page = written.read_text(encoding="utf-8")
    assert "<img" in page  # faces, from the best trial's checkpoint
    store = open_store()
    assert store.find_text(find_study(store, small_study.name).run_id, REPORT_FILE) == page
