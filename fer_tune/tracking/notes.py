"""What stands at the head of a study's page in MLflow: what one looks at there, in Markdown."""

from fer_tune.tracking import tags
from fer_tune.tracking.metric_names import to_best_name
from fer_tune.tracking.run_info import StudyInfo

_GUIDE = """\
| where | what |
|---|---|
| `{score}` | a trial's score: `{metric}` of its best epoch, on validation faces |
| `{best}...` | the other metrics of that epoch; `{best}gap` is train minus validation accuracy |
| trial `000` | the paper's configuration, with which the others are compared |
| `val_f1/`, `val_precision/`, `val_recall/` | of each class, epoch by epoch |
| `confusion.png` of a trial | which classes it takes for which, at its best epoch |
| `space.yaml`, `command.txt` | what was searched, and how to do it again |
| `report.html`, `front.csv` | what was found, and the best trials by gap, once all is over |"""


def render_study_note(study: StudyInfo, page: str, summary: str = "") -> str:
    """What is known of the study so far, and a guide to its page.

    page: of its trials, in the same UI (see `fer_tune.tracking.ui.study_page`).
    outcome: what it found, Markdown.
    """
    names = ", ".join(f"`{name}`" for name in study.parameters)
    trials = f"**[Compare the trials]({page})**: a table, the best first, and charts."
    guide = _GUIDE.format(
        score=to_best_name(study.metric), metric=study.metric, best=tags.BEST_PREFIX
    )
    varied = names and f"They differ in {names}."
    told = [summary, *study.notes, f"{trials} {varied}".strip(), guide]
    return "\n\n".join(filter(None, told))
