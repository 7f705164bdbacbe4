from collections.abc import Callable

from fer_tune.tracking.queries import find_study
from fer_tune.tracking.read_artifacts import REPORT_FILE, find_text, log_report
from fer_tune.tracking.recorder import EventRecorder
from fer_tune.tracking.store import Store
from fer_tune.tracking.study_and_retrain_info import StudyInfo

Describe = Callable[..., StudyInfo]


def test_a_report_replaces_the_one_before_it(store: Store, describe: Describe) -> None:
    run_id = EventRecorder(store, describe(), resume=False).run_id
    assert find_text(store, run_id, REPORT_FILE) is None
    study = find_study(store, describe().name)
    for page in ("one", "ärger"):
        log_report(store, study, page)
    assert find_text(store, run_id, REPORT_FILE) == "ärger"
