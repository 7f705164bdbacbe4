"""Studies that began before near-duplicates stayed together keep their faces."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fer_tune.common.cli import CommandParser
from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.search.options import build_parser
from fer_tune.search.search_plan import make_plan
from fer_tune.study.records.settings import FILE, SINGLE_TRAINING
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.tracking import tags
from fer_tune.tracking.queries import StudyRun
from fer_tune.train.__main__ import build_parser as build_train_parser
from fer_tune.train.plan_training import choose_read_options, read_recorded_settings
from tests.data.held import Face, write_csv
from tests.settings import make_settings

pytestmark = pytest.mark.usefixtures("own_folders")
SMOKE = load_space(find_space_file("smoke"))
EXACT = ReadOptions(split_rule="exact")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Drawn faces without splits, each with a mirrored copy."""
    faces = draw_demo_splits().train
    chosen = np.concatenate([np.flatnonzero(faces.labels == label)[:12] for label in range(7)])
    return write_csv(
        [
            Face(int(faces.labels[place]), "Training", image)
            for place in chosen
            for image in (faces.images[place], faces.images[place][:, ::-1])
        ],
        tmp_path,
    )


@pytest.fixture
def faces_hash(data: Path) -> str:
    """The hash of the splits as before, which differ from those of a new study."""
    recorded = load_splits(data, EXACT).content_hash()
    assert recorded != load_splits(data).content_hash()
    return recorded


def record_study(data: Path, faces_hash: str, **changes: str) -> None:
    """Write study.json as it was before it had the rule."""
    settings = make_settings("older", "smoke", SMOKE, data=data, faces_hash=faces_hash)
    folder = StudyStorage("mlruns/studies").write_settings(settings.model_copy(update=changes))
    keys = json.loads((folder / FILE).read_text())
    del keys["split_rule"]
    (folder / FILE).write_text(json.dumps(keys))


def test_a_search_is_resumed_on_its_own_faces(data: Path, faces_hash: str) -> None:
    record_study(data, faces_hash)
    options = build_parser().parse_args(["--resume", "older"])
    plan = make_plan(Console(quiet=True), options, "")
    assert plan.splits.content_hash() == faces_hash
    assert plan.settings.split_rule == "exact"


def test_a_new_search_keeps_near_duplicates_together(data: Path, faces_hash: str) -> None:
    options = build_parser().parse_args(["--data", str(data), "--space", "smoke"])
    plan = make_plan(Console(quiet=True), options, "")
    assert plan.splits.content_hash() == plan.settings.faces_hash != faces_hash
    assert plan.settings.split_rule == "near"


def test_retrain_and_report_read_its_own_faces(data: Path, faces_hash: str) -> None:
    marks, settings = {tags.FACES_HASH: faces_hash}, {"data": str(data), "skip_bad": "False"}
    study = StudyRun("older", "1", None, "val/macro_f1", marks, settings)
    assert study.load_splits().content_hash() == faces_hash


def test_a_training_is_resumed_with_its_own_rule(data: Path, faces_hash: str) -> None:
    record_study(data, faces_hash, space_name=SINGLE_TRAINING)
    parser: CommandParser = build_train_parser()
    storage = StudyStorage("mlruns/studies")
    resumed = parser.parse_args(["--data", str(data), "--resume", "older"])
    assert choose_read_options(resumed, read_recorded_settings(resumed, storage)) == EXACT
    new = parser.parse_args(["--data", str(data)])
    assert choose_read_options(new, read_recorded_settings(new, storage)) == ReadOptions()
    repeated = parser.parse_args(["--data", str(data), "--split-rule", "exact"])
    assert choose_read_options(repeated, None) == EXACT
