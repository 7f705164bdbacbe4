"""A study on a cluster that breaks: each part of it is a machine of its own (see machines.py).

What was measured here, with Ray 2.60 and MLflow 3.17:
- Where a machine is killed, its trial is told to have died within two seconds, since the system
  closes its connections; but Ray lists it for half a minute more (five missed health checks).
- Where its cable is out too, both take 65 seconds, and a machine that was added meanwhile may ask
  it for the faces and wait as long. RAY_health_check_* in the head's environment sets how long.
- A driver that leaves Ray while a task of its is under way elsewhere may end with code 1 and not a
  word ("Exiting because the Raylet IPC connection failed", in its log only).
- With a wrong token, `ray.init` tries twenty times, a second each, as if nothing answered.
- Without a route to the outside Ray takes the address of the host's name, from /etc/hosts.
- MLflow's server checks the Host header of its API, but not of /health and /version.
- For postgresql:// SQLAlchemy 2.1 wants psycopg 3, and 2.0 psycopg2.
"""

import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_tune.study.records.event_log import read_events, read_trials
from fer_tune.study.records.study_storage import open_storage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.tracking import tags
from fer_tune.tracking.queries import find_study, list_trial_runs
from fer_tune.tracking.store import open_store
from tests.cluster.machines import Machine
from tests.cluster.services import Cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME, TRIALS = "demo-faults", 12
TRACKING = "http://127.0.0.1:5000"  # on its own machine
SMALL = ["--space", "smoke", "--train-faces", "600"]

# Trials of some ten seconds: Ray takes twice as long to see that a machine has died.
SPACE = """
parameters:
  learning_rate: {type: float, low: 1.0e-4, high: 1.0e-2, log: true}
  data_plan: {type: choice, values: [original, sqrt_sampler]}
fixed: {width: 24}
"""


def _copy(study: Machine, name: str) -> Path:
    """Where the machine that runs a study has its copy of what is in the bucket."""
    return study.setup.folder / open_storage("s3://studies").local_dir / name


def _over(trials: list[TrialRecord]) -> int:
    return sum(trial.has_final_status for trial in trials)


def _trains(machine: Machine) -> bool:
    return any("ImplicitFunc.train" in each for each in machine.processes())


def test_storage_that_the_workers_do_not_share_is_told_at_the_start(cluster: Cluster) -> None:
    where = cluster.private
    study = cluster.study(*SMALL, "--storage", str(where), "--study", "demo-private")
    assert study.wait(300) == 2, study.shown
    told = study.shown.strip().splitlines()[-1]
    assert str(where) in told
    assert not (where / "demo-private").exists()


def test_without_the_token_nobody_gives_work_to_the_cluster(cluster: Cluster) -> None:
    command = ["python", "-m", "fer_tune.search", *SMALL, "--address", "head:6379"]
    refused = cluster.machines["head"].run(command, {"RAY_AUTH_TOKEN": "0" * 64})
    assert refused.returncode == 2, refused.stdout
    assert "token" in refused.stdout.strip().splitlines()[-1]


def test_mlflow_answers_nobody_who_calls_it_by_another_name(cluster: Cluster) -> None:
    page = f"{TRACKING}/api/2.0/mlflow/experiments/get?experiment_id=0"
    asked = urllib.request.Request(page, headers={"Host": "rebound.example"})
    with (
        cluster.machines["tracking"].joined(),
        pytest.raises(urllib.error.HTTPError, match="403"),
    ):
        urllib.request.urlopen(asked, timeout=20)


def test_a_study_in_a_bucket_is_stopped_on_one_machine_and_goes_on_from_another(
    cluster: Cluster,
) -> None:
    length = ["--trials", "2", "--epochs", "4", "--grace", "4"]
    study = cluster.study(*SMALL, *length, "--study", "demo-moved")
    folder = _copy(study, "demo-moved")
    wait_until(lambda: any(each.history for each in read_trials(folder)), "an epoch")
    study.terminate()
    assert study.wait(300) == 130, study.shown
    assert "docker compose run --rm study --resume demo-moved\n" in study.shown
    shutil.rmtree(study.setup.folder / "mlruns")
    again = cluster.study("--resume", "demo-moved")
    assert again.wait(300) == 0, again.shown
    assert [[r.epoch for r in each.history] for each in read_trials(folder)] == [[1, 2, 3, 4]] * 2


def test_a_study_outlives_its_workers_and_its_tracking_server(
    cluster: Cluster, tmp_path: Path
) -> None:
    space = tmp_path / "slow.yaml"
    space.write_text(SPACE)
    length = ["--train-faces", "600", "--trials", str(TRIALS), "--epochs", "6", "--grace", "3"]
    study = cluster.study("--space", str(space), *length, "--study", NAME)
    folder = _copy(study, NAME)

    def when(condition: Callable[[], bool], what: str) -> None:
        def either() -> bool:
            assert study.is_up, f"the study ended before {what}: {study.shown}"
            return condition()

        wait_until(either, what)

    when(lambda: _over(read_trials(folder)) >= 3, "three trials are over")
    dying = cluster.machines["worker-1"]
    when(lambda: _trains(dying), "worker 1 trains")
    dying.unplug()
    dying.kill()
    cluster.start("worker-3")
    when(lambda: _trains(cluster.machines["worker-3"]), "the added worker trains")
    when(lambda: _over(read_trials(folder)) >= 7, "seven trials are over")
    cluster.machines["tracking"].kill()
    told = len(list(read_events(folder)))
    when(lambda: len(list(read_events(folder))) > told + 2, "it goes on without MLflow")
    cluster.start("tracking")
    assert study.wait(600) == 0, study.shown

    trials = read_trials(folder)
    assert len(trials) == TRIALS
    assert {trial.ending for trial in trials} <= {"finished", "stopped"}
    _check_runs(cluster, trials)
    _check_bucket(cluster, folder, trials)
    assert "\x1b" not in study.shown
    assert "Traceback" not in study.shown


def _check_runs(cluster: Cluster, trials: list[TrialRecord]) -> None:
    """In MLflow are every epoch of every trial once, in one run a trial; their pictures in S3."""
    with cluster.machines["tracking"].joined():
        store = open_store(TRACKING, create=False)
        client = store.client
        parent = client.get_run(find_study(store, NAME).run_id)
        runs = list_trial_runs(store, parent.info.run_id)
        losses = [client.get_metric_history(run.info.run_id, "val/loss") for run in runs]
    assert {run.info.status for run in (parent, *runs)} == {"FINISHED"}
    epochs = {
        int(run.data.tags[tags.TRIAL]): [each.step for each in history]
        for run, history in zip(runs, losses, strict=True)
    }
    assert len(runs) == TRIALS
    assert epochs == {each.number: [r.epoch for r in each.history] for each in trials}
    assert all(steps == list(range(1, len(steps) + 1)) for steps in epochs.values())
    kept = set(cluster.keys("artifacts"))
    for run in runs:
        assert f"{store.experiment_id}/{run.info.run_id}/artifacts/confusion.png" in kept


def _check_bucket(cluster: Cluster, folder: Path, trials: list[TrialRecord]) -> None:
    """The whole journal is in it, and of the checkpoints the best trial's."""
    scores = {each.number: max(r.metrics["val/macro_f1"] for r in each.history) for each in trials}
    best = max(scores, key=lambda number: scores[number])
    kept = [key.removeprefix(f"{NAME}/") for key in cluster.keys("studies")]
    checkpoints = {key.split("/")[1] for key in kept if key.startswith("checkpoints/trial-")}
    assert checkpoints == {f"trial-{best:06d}"}
    parts = sorted(key for key in kept if key.startswith("journal/") and key.endswith(".jsonl"))
    journal = "".join(cluster.ask_objects(f"studies/{NAME}/{part}") for part in parts)
    assert journal == (folder / "journal.jsonl").read_text(encoding="utf-8")
