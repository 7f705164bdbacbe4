from pathlib import Path

import pytest

from fer_tune.search import __main__ as search
from fer_tune.tracking.artifacts import REPORT_FILE, find_text
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import open_store


def test_the_end_of_a_search_writes_the_report_and_keeps_it_in_mlflow(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)
    small = ["--space", "smoke", "--train-faces", "300", "--trials", "1", "--epochs", "1"]
    search.main([*small, "--study", "demo-reported"])
    written = Path("mlruns", "studies", "demo-reported", REPORT_FILE)
    assert f"Report: {written}" in capfd.readouterr().out
    page = written.read_text(encoding="utf-8")
    assert "<img" in page  # faces, from the best trial's checkpoint
    store = open_store()
    assert find_text(store, find_study(store, "demo-reported").run_id, REPORT_FILE) == page
