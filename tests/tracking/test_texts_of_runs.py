from collections.abc import Callable

from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.ui_view_and_links import REPORT_FILE


def test_a_report_replaces_the_one_before_it(
    store: Store, describe: Callable[..., StudyInfo]
) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    assert store.find_text(run_id, REPORT_FILE) is None
    for page in ("one", "ärger"):
        store.client.log_text(run_id, page, REPORT_FILE)
    assert store.find_text(run_id, REPORT_FILE) == "ärger"
