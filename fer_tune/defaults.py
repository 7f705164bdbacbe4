"""Values that every command assumes if the user gives none."""

from pathlib import Path
from typing import Literal

STUDIES_FOLDER = Path("mlruns/studies")  # contains one folder a study
BUCKET_COPIES_FOLDER = Path("mlruns/buckets")  # local copies of studies that are in a bucket

# Settings of a study.
SPACE, METRIC = "paper", "val/macro_f1"
TRIALS, EPOCHS, GRACE, REDUCTION, SEED = 10, 15, 3, 3, 0
SchedulerName = Literal["asha", "asha-promotion", "hyperband", "none"]
SCHEDULER: SchedulerName = "asha"
SamplerName = Literal["gp", "tpe"]
SAMPLER: SamplerName = "gp"
