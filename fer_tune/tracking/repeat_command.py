"""The command that trains the configuration of a trial again, as the trial's run has it."""

import shlex

from fer_tune.defaults import METRIC
from fer_tune.events import TrialStarted
from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.trial_config import BASELINE


def render_trial_note(study: StudyInfo, started: TrialStarted) -> str:
    """Return the text at the head of a trial's page in MLflow, Markdown."""
    command = build_repeat_command(study, started)
    return f"To train this trial again, with the same faces and seeds:\n\n```sh\n{command}\n```"


def build_repeat_command(study: StudyInfo, started: TrialStarted) -> str:
    """Return the command that repeats a trial as it ran, and then tests it.

    A pruned trial ran for fewer epochs. The command trains for all of them, as schedules need.
    """
    settings = study.settings
    values = {
        name: settings[name]
        for name in ("data", "labels", "votes", "train_faces", "suspects", "epochs", "metric")
        if settings.get(name) is not None
    }
    if started.config.labels != "without_suspects":
        values.pop("suspects", None)
    if values.get("metric") == METRIC:
        del values["metric"]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    baseline = BASELINE.model_dump(mode="json")
    for name, value in started.config.model_dump(mode="json").items():
        if value != baseline[name]:
            options += ["--set", f"{name}={value}"]
    if settings.get("skip_bad"):
        options.append("--skip-bad")
    if settings.get("split_rule") == "exact":  # of a study that began with an older version
        options.append("--split-rule=exact")
    own = study.training_seed
    number = started.number if started.seed_number is None else started.seed_number
    seed = f"{study.seed}:{number}" if own is None else str(own)
    return shlex.join(["fer-tune", "train", *options, f"--seed={seed}"])
