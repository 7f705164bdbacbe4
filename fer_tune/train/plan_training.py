"""The plan of a training: the study of one trial that records it, its faces and its seeds."""

import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from fer_tune import defaults
from fer_tune.common.errors import UserError
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.data.faces import Splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.subsample import describe_sample, draw_stratified_sample
from fer_tune.data.suspect_list import SuspectList, rank_new_suspects
from fer_tune.events import TrialStarted
from fer_tune.search.metric_check import check_metric
from fer_tune.search.study_store import format_store_address
from fer_tune.study.records.event_log import read_trials
from fer_tune.study.records.settings import (
    FILE,
    SINGLE_TRAINING,
    StudySettings,
    read_settings,
)
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import BASELINE_TRIAL, build_trial_started
from fer_tune.train.read_configuration import build_space
from fer_tune.trial.trial_faces import count_trial_faces
from fer_tune.trial_config import BASELINE, TrialConfig, derive_trial_seed


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """A study of one trial, and how its configuration is trained.

    sample: the faces; its training split is the sample of `--train-faces`.
    started: the start of the trial.
    seeds: number of trainings.
    """

    settings: StudySettings
    storage: StudyStorage
    sample: Splits
    started: TrialStarted
    seeds: int

    @property
    def repeats_trial(self) -> bool:
        """Whether the first training has the seed of a trial of a search."""
        return self.settings.training_seed is None

    @property
    def first_seed(self) -> int:
        """The seed of the first training."""
        if self.repeats_trial:
            return derive_trial_seed(self.settings.seed, self.started.number)
        return self.settings.seed

    @property
    def faces_params(self) -> Mapping[str, object]:
        """Which training faces are drawn, for the runs in MLflow; empty for all, drawn as usual."""
        params = {"train_faces": self.settings.train_faces, "faces_seed": self.settings.seed}
        if self.settings.train_faces:
            return params
        return {"faces_seed": self.settings.seed} if self.repeats_trial else {}


def choose_read_options(args: Namespace, storage: StudyStorage) -> ReadOptions:
    """Return how the options of `train` read the faces; a resumed study divides them as before."""
    options = ReadOptions(args.skip_bad, args.labels, args.votes, args.split_rule)
    if not args.resume:
        return options
    storage.fetch_study(args.resume)
    if not (storage.local_dir / args.resume / FILE).is_file():  # an error follows
        return options
    recorded = read_settings(storage.local_dir, args.resume)[1]
    return replace(options, split_rule=recorded.split_rule)


def make_plan(
    args: Namespace,
    storage: StudyStorage,
    splits: Splits,
    read_options: ReadOptions,
    config: TrialConfig,
) -> TrainingPlan:
    """Return the plan for the options of `train`.

    Raises UserError if the name is taken, or if `--resume` names a study with other options.
    """
    is_needed = config.labels == "without_suspects"
    splits, suspects = rank_new_suspects(splits, read_options, args.suspects, is_needed=is_needed)
    settings = _make_settings(args, storage, splits, read_options, config, suspects)
    seed, number = args.seed
    if number is None:
        number = BASELINE_TRIAL if config == BASELINE else BASELINE_TRIAL + 1
    if args.resume:
        _check_resumed(storage, settings, number)
    else:
        storage.check_name_available(settings.name)
    size = settings.train_faces or len(splits.train)
    sample = replace(
        splits,
        train=draw_stratified_sample(splits.train, size, seed),
        protocol=f"{splits.protocol} {describe_sample(len(splits.train), size)}".rstrip(),
    )
    faces = count_trial_faces(sample.train, seed, config)
    started = build_trial_started(number, config, settings.space, faces)
    return TrainingPlan(settings, storage, sample, started, args.seeds)


def _make_settings(
    args: Namespace,
    storage: StudyStorage,
    splits: Splits,
    read_options: ReadOptions,
    config: TrialConfig,
    suspects: SuspectList | None,
) -> StudySettings:
    name = args.resume or args.study or f"train-{time.strftime('%m%d-%H%M%S')}"
    if splits.source == DEMO_SOURCE and not name.startswith("demo"):
        name = f"demo-{name}"
    storage.fetch_study(name)
    seed, repeated_trial = args.seed
    return StudySettings(
        name=name,
        space_name=SINGLE_TRAINING,
        space=build_space(config),
        data=splits.origin,
        **asdict(read_options),
        faces_hash=splits.content_hash(),
        votes_hash=splits.votes_hash(),
        train_faces=args.train_faces,
        suspects=suspects and suspects.path,
        suspects_hash=suspects and suspects.content_hash,
        trials=1,
        epochs=args.epochs,
        scheduler="none",
        grace=defaults.GRACE,
        reduction=defaults.REDUCTION,
        metric=check_metric(args.metric, splits),
        seed=seed,
        tracking_uri=format_store_address(args.tracking_uri, storage, name),
        training_seed=seed if repeated_trial is None else None,
    )


def _check_resumed(storage: StudyStorage, settings: StudySettings, number: int) -> None:
    """Raise UserError if the study in the storage is another one than the options describe."""
    folder, own = read_settings(storage.local_dir, settings.name)
    if own.space_name != SINGLE_TRAINING:
        advice = f"continue it with python -m fer_tune.search --resume {own.name}"
        raise UserError(f"study {own.name} is a search; {advice}")
    recorded, given = (
        each.model_dump(exclude={"data", "votes", "suspects", "tracking_uri"})
        for each in (own, settings)
    )
    different = [
        name.removeprefix("training_")  # --seed gives both seeds
        for name in recorded
        if recorded[name] != given[name] and name in own.model_fields_set  # older ones lack some
    ]
    if any(trial.number != number for trial in read_trials(folder)):
        different.append("seed")
    if different:
        raise UserError(
            f"--resume {own.name}: it began with another value of {different[0]}; repeat the "
            "options of the command that began it, which MLflow has in command.txt of its run"
        )
