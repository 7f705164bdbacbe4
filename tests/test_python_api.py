import doctest
import inspect
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import fer_tune
from fer_tune import python_api
from fer_tune.data.faces import EMOTIONS
from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.tracking.models.log_model import log_model
from fer_tune.tracking.queries import find_study
from fer_tune.tracking.store import Store, open_store
from tests.small_study import FinishedStudy

URI = "tracking_uri: str | None = None"
SIGNATURES = {
    "list_studies": f"(*, {URI})",
    "load_study": f"(name: str, *, {URI}, storage: str | None = None)",
    "load_faces": "(path: str | pathlib.Path | None = None, *, "
    "skip_bad: bool = False, labels: str | None = None, "
    "votes: str | pathlib.Path | None = None, split_rule: Literal['exact', 'near'] = 'near')",
    "load_model": f"(uri: str | None = None, *, {URI})",
    "run_study": "(*, data: str | pathlib.Path | None = None, "
    "space: str | pathlib.Path | None = None, trials: int | None = None, "
    "epochs: int | None = None, study: str | None = None, **options: object)",
}
METHODS = ["best_trial", "history_dataframe", "optuna_study", "trials_dataframe"]

# Prints the modules that `import fer_tune` loads, then every name after all modules are loaded.
IMPORTS = """
import contextlib, json, pkgutil, sys
import fer_tune
modules = sorted(sys.modules)
for module in pkgutil.walk_packages(fer_tune.__path__, "fer_tune."):
    with contextlib.suppress(ModuleNotFoundError):  # of an extra that is not installed
        __import__(module.name)
print(json.dumps([modules, {name: str(getattr(fer_tune, name)) for name in fer_tune.__all__}]))
"""


@pytest.fixture(scope="module")
def place(small_study: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder of our own, with the small study and a model."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(small_study.folder / "mlruns", folder / "mlruns")
    store = open_store(str(folder / "mlruns"))
    run_id = store.client.create_run(store.experiment_id).info.run_id
    network = FerNet(ModelConfig(depth=2, width=4, hidden_1=16, hidden_2=8), len(EMOTIONS))
    log_model(store, run_id, FaceClassifier([network]), EMOTIONS)
    return folder


@pytest.fixture
def store(place: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(place)
    monkeypatch.delenv("FER_TUNE_DATA", raising=False)
    return open_store(create=False)


def test_the_public_names_and_their_signatures_stay() -> None:
    assert fer_tune.__all__ == sorted(["Study", "UserError", *SIGNATURES])
    assert set(fer_tune.__all__) <= set(dir(fer_tune))
    for name, expected in SIGNATURES.items():
        signature = inspect.signature(getattr(fer_tune, name))
        assert str(signature.replace(return_annotation=inspect.Signature.empty)) == expected
    assert [name for name in dir(fer_tune.Study) if not name.startswith("_")] == METHODS


def test_importing_the_package_loads_nothing_and_no_module_hides_a_name() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    loaded, names = json.loads(shown.stdout)
    assert [name for name in loaded if name.startswith("fer_tune")] == ["fer_tune"]
    assert not {"pydantic", "pandas", "torch", "ray", "mlflow", "optuna"} & set(loaded)
    assert all(names[name].startswith(("<function", "<class")) for name in fer_tune.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fer_tune' has no attribute 'load_trial'"):
        fer_tune.load_trial  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.usefixtures("store")
def test_the_examples_in_the_docstrings_are_true() -> None:
    examples = doctest.DocTestFinder().find(python_api, globs={"fer_tune": fer_tune})
    examples = [example for example in examples if example.examples]
    names = {example.name.removeprefix("fer_tune.python_api.") for example in examples}
    assert names == {*SIGNATURES, "Study", *(f"Study.{name}" for name in METHODS)}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in examples:
        assert runner.run(example).failed == 0


def test_trials_csv_in_mlflow_is_the_table_of_trials(
    store: Store, small_study: FinishedStudy, tmp_path: Path
) -> None:
    trials = fer_tune.load_study(small_study.name).trials_dataframe()
    file = tmp_path / "trials.csv"
    file.write_text(store.read_text(find_study(store, small_study.name).run_id, file.name))
    assert_frame_equal(pd.read_csv(file), trials, check_dtype=False)


@pytest.mark.usefixtures("store")
def test_tables_are_the_same_without_the_files_of_the_study(
    small_study: FinishedStudy, tmp_path: Path
) -> None:
    here = fer_tune.load_study(small_study.name)
    elsewhere = fer_tune.load_study(small_study.name, storage=str(tmp_path))
    assert_frame_equal(elsewhere.trials_dataframe(), here.trials_dataframe())
    history = here.history_dataframe()
    assert_frame_equal(elsewhere.history_dataframe()[history.columns], history)
    values = [study.optuna_study().best_value for study in (here, elsewhere)]
    assert values[0] == values[1] == here.best_trial.best_metrics["macro_f1"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": -1}, "^argument --trials: -1 is not 1 or more$"),
        ({"train_faces": "few"}, "^argument --train-faces: invalid whole number value: 'few'$"),
        ({"trial": 3}, "^run_study has no option trial;"),
        ({"dry_run": True}, "^run_study has no option dry_run;"),
        ({"space": "nowhere.yaml"}, "nowhere.yaml"),
        ({"resume": "demo-smal"}, "no study demo-smal in mlruns/studies"),
    ],
)
def test_a_mistake_in_an_option_is_a_user_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(fer_tune.UserError, match=message):
        fer_tune.run_study(**options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("store")
def test_an_unknown_study_model_or_file_is_a_user_error() -> None:
    with pytest.raises(fer_tune.UserError, match=r"it has .*demo-small"):
        fer_tune.load_study("demo-smal")
    with pytest.raises(fer_tune.UserError, match="model models:/none@champion"):
        fer_tune.load_model("models:/none@champion")
    with pytest.raises(fer_tune.UserError, match="nowhere does not exist"):
        fer_tune.load_faces("nowhere")
    with pytest.raises(fer_tune.UserError, match="no studies in"):
        fer_tune.list_studies(tracking_uri="nowhere")


def test_a_study_runs_in_a_thread_and_is_recorded_as_that_of_the_command(store: Store) -> None:
    options = {"space": "smoke", "trials": 1, "epochs": 1, "train_faces": 300, "seed": 1}

    def run() -> None:
        fer_tune.run_study(study="demo-thread", **options)  # type: ignore[arg-type]

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    study = find_study(store, "demo-thread")
    command = store.read_text(study.run_id, "command.txt")
    typed = "--train-faces 300 --seed 1 --space smoke --trials 1 --epochs 1 --study demo-thread\n"
    assert command.endswith(f"-m fer_tune.search {typed}")
    assert study.settings["seed"] == "1"


@pytest.mark.usefixtures("store")
def test_a_program_that_uses_ray_keeps_its_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    with pytest.raises(fer_tune.UserError, match=r"call ray\.shutdown\(\) first"):
        fer_tune.run_study(space="smoke", trials=1)
