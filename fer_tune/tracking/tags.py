"""The names of the tags and metrics by which runs are found in MLflow."""

STUDY = "fer_tune.study"  # the study's name, on its parent run and on the runs of its trials
TRIAL = "fer_tune.trial"  # the trial's number
# On the runs of repeats of finalists, which have no TRIAL: their number, and the finalist's.
REPEAT = "fer_tune.repeat"
REPEAT_OF = "fer_tune.repeat_of"
METRIC = "fer_tune.metric"  # the metric that chooses a trial's best epoch; on parent runs only
# "completed", "pruned", ... (`STATUS_WORDS`). Written last, so a run that has it lacks nothing.
ENDED = "fer_tune.ended"
ERROR = "fer_tune.error"  # the last line of the traceback of a failed trial
SOURCE = "fer_tune.data"
FACES_HASH = "fer_tune.faces_sha256"
PROTOCOL = "fer_tune.protocol"
CODE_VERSION = "fer_tune.code_version"
SEED = "fer_tune.seed"
STORAGE = "fer_tune.storage"  # `--storage` of the study; on parent runs only
# On the parent run of a study that `fer-tune studies delete` removed. MLflow keeps deleted runs.
REMOVED = "fer_tune.removed"

DATA_TAGS = (SOURCE, FACES_HASH, PROTOCOL)

# On retrainings: the study, the trial's number, and the ID of the trial's run.
RETRAINED_STUDY = "fer_tune.retrained_study"
RETRAINED_TRIAL = "fer_tune.retrained_trial"
RETRAINED_RUN = "fer_tune.retrained_run"
RETRAINED_EPOCHS = "fer_tune.retrained_epochs"  # on parent runs only
RETRAINED_METRIC = "fer_tune.retrained_metric"  # chose the best epoch; on the runs of seeds only
TTA = "fer_tune.tta"  # views of test-time augmentation; missing before there was a choice
ENSEMBLE = "fer_tune.ensemble"  # "0, 1, 2": seeds; on the runs and versions of ensembles only

# On evaluations: the address of the model, the version in the registry if there is one, the split,
# and the SHA-256 of the evaluated faces.
EVALUATED_MODEL = "fer_tune.evaluated_model"
EVALUATED_VERSION = "fer_tune.evaluated_version"
EVALUATED_SPLIT = "fer_tune.evaluated_split"
EVALUATED_FACES = "fer_tune.evaluated_faces_sha256"

# MLflow's own tags.
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"

# Metrics beside those of `fer_tune.scoring.metrics.build_epoch_metrics`.
EPOCH = "epoch"  # the last epoch recorded
SECONDS = "seconds"  # training and evaluation of the epoch
BEST_PREFIX = "best/"
