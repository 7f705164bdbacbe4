"""The plan of a training: the study of one trial that records it, and the faces of this trial."""

from argparse import Namespace

from fer_tune.common.errors import UserError
from fer_tune.data.faces import Splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.subsample import sample_training_split
from fer_tune.events import TrialStarted
from fer_tune.search.new_study import check_metric, name_study, prepare_faces
from fer_tune.search.study_store import format_store_address
from fer_tune.study.records.event_log import read_trials
from fer_tune.study.records.settings import SINGLE_TRAINING, StudySettings, read_settings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import BASELINE_TRIAL, build_trial_started
from fer_tune.train.read_configuration import build_space
from fer_tune.trial.trial_faces import count_trial_faces
from fer_tune.trial_config import BASELINE, TrialConfig


def read_recorded_settings(args: Namespace, storage: StudyStorage) -> StudySettings | None:
    """Return the settings of the study that is resumed; None for a new one.

    Raises UserError if there is no such study, or if it is a search.
    """
    if not args.resume:
        return None
    storage.fetch_study(args.resume)
    recorded = read_settings(storage.local_dir, args.resume)[1]
    if recorded.space_name != SINGLE_TRAINING:
        advice = f"continue it with python -m fer_tune.search --resume {recorded.name}"
        raise UserError(f"study {recorded.name} is a search; {advice}")
    return recorded


def choose_read_options(args: Namespace, recorded: StudySettings | None) -> ReadOptions:
    """Return how the options of `train` read the faces; a resumed study divides them as before."""
    rule = recorded.split_rule if recorded else args.split_rule
    return ReadOptions(bool(args.skip_bad), args.labels, args.votes, rule)


def plan_training(
    args: Namespace,
    storage: StudyStorage,
    config: TrialConfig,
    splits: Splits,
    recorded: StudySettings | None,
) -> tuple[StudySettings, TrialStarted, Splits]:
    """Return the study for the options of `train`, the start of its trial, and its faces.

    Their training split is the sample of `--train-faces`.
    Raises UserError if the name is taken, or if the resumed study began with other options.
    """
    options = choose_read_options(args, recorded)
    splits, faces = prepare_faces(splits, options, [config.labels], args.suspects)
    name = recorded.name if recorded else name_study(storage, args.study, "train", splits)
    seed, number = args.seed
    settings = StudySettings(
        name=name,
        space_name=SINGLE_TRAINING,
        space=build_space(config),
        **faces,
        train_faces=args.train_faces,
        trials=1,
        epochs=args.epochs,
        scheduler="none",
        metric=check_metric(args.metric, splits),
        seed=seed,
        tracking_uri=format_store_address(args.tracking_uri, storage, name),
        training_seed=seed if number is None else None,
    )
    if number is None:
        number = BASELINE_TRIAL if config == BASELINE else BASELINE_TRIAL + 1
    if recorded:
        _check_resumed(storage, recorded, settings, number)
    sample = sample_training_split(splits, args.train_faces, seed)
    count = count_trial_faces(sample.train, seed, config)
    return settings, build_trial_started(number, config, settings.space, count), sample


def _check_resumed(
    storage: StudyStorage, recorded: StudySettings, given: StudySettings, number: int
) -> None:
    """Raise UserError if the recorded study is another one than the options describe."""
    own, other = (
        each.model_dump(exclude={"data", "votes", "suspects", "tracking_uri"})
        for each in (recorded, given)
    )
    different = [
        name.removeprefix("training_")  # --seed gives both seeds
        for name in own
        if own[name] != other[name] and name in recorded.model_fields_set  # older ones lack some
    ]
    if any(trial.number != number for trial in read_trials(storage.local_dir / recorded.name)):
        different.append("seed")
    if different:
        raise UserError(
            f"--resume {recorded.name}: it began with another value of {different[0]}; repeat the "
            "options of the command that began it, which MLflow has in command.txt of its run"
        )
