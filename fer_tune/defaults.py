"""What every command assumes if the user says nothing else."""

from pathlib import Path
from typing import Literal

STUDIES_FOLDER = Path("mlruns/studies")  # the folder of the studies' folders
BUCKET_COPIES_FOLDER = Path("mlruns/buckets")  # local copies of studies that are stored in a bucket

# A study's settings.
SPACE, METRIC = "paper", "val/macro_f1"
TRIALS, EPOCHS, GRACE, REDUCTION, SEED = 10, 15, 3, 3, 0
SchedulerName = Literal["asha", "asha-promotion", "hyperband", "none"]
SCHEDULER: SchedulerName = "asha"
