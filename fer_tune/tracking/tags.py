"""The names under which runs are found again."""

STUDY = "fer_tune.study"  # the study's name: on its parent run and on every trial's
TRIAL = "fer_tune.trial"  # the trial's number
METRIC = "fer_tune.metric"  # what decides a trial's best epoch; on parent runs only
ENDED = "fer_tune.ended"  # "completed", "pruned", ... (STATUS_WORDS); written last: a run with it is complete
ERROR = "fer_tune.error"  # the last line of what broke a trial
SOURCE = "fer_tune.data"
FACES_HASH = "fer_tune.faces_sha256"
PROTOCOL = "fer_tune.protocol"
CODE_VERSION = "fer_tune.code_version"
SEED = "fer_tune.seed"

# Of retrainings: the study, the number of the trial, and the trial's run.
RETRAINED_STUDY = "fer_tune.retrained_study"
RETRAINED_TRIAL = "fer_tune.retrained_trial"
RETRAINED_RUN = "fer_tune.retrained_run"
RETRAINED_EPOCHS = "fer_tune.retrained_epochs"  # on the parent runs of retrainings only
RETRAINED_METRIC = "fer_tune.retrained_metric"  # chose the kept epoch; on the runs of seeds only

# MLflow's own.
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"

# Metrics beside those of `fer_tune.scoring.metrics.named_metrics`.
EPOCH = "epoch"  # the last epoch recorded
SECONDS = "seconds"  # that training and evaluating the epoch took
BEST_PREFIX = "best/"
