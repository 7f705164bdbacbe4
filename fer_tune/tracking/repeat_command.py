"""The command that trains the configuration of a trial again, as the trial's run has it."""

import shlex

from fer_tune.defaults import METRIC
from fer_tune.events import TrialStarted
from fer_tune.tracking.study_and_retrain_info import StudyInfo


def render_trial_note(study: StudyInfo, started: TrialStarted) -> str:
    """Return the text at the head of a trial's page in MLflow, Markdown."""
    command = build_repeat_command(study, started)
    return f"To train this trial again, with the same faces and seeds:\n\n```sh\n{command}\n```"


def build_repeat_command(study: StudyInfo, started: TrialStarted) -> str:
    """Return the command that repeats a trial as it ran, and then tests it.

    A pruned trial ran for fewer epochs. The command trains for all of them, as schedules need.
    """
    settings, config = study.settings, started.config
    names = ["data", "labels", "votes", "train_faces", "suspects", "epochs", "metric"]
    if config.labels != "without_suspects":
        names.remove("suspects")
    if settings.get("metric") == METRIC:
        names.remove("metric")
    values = {name: settings[name] for name in names if settings.get(name) is not None}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    for name, value in config.model_dump(mode="json", exclude_defaults=True).items():
        options += ["--set", f"{name}={value}"]
    if settings.get("skip_bad"):
        options.append("--skip-bad")
    if settings.get("split_rule") == "exact":  # of a study that began with an older version
        options.append("--split-rule=exact")
    own = study.training_seed
    number = started.number if started.seed_number is None else started.seed_number
    seed = f"{study.seed}:{number}" if own is None else str(own)
    return shlex.join(["fer-tune", "train", *options, f"--seed={seed}"])
