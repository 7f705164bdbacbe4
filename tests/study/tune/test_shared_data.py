import numpy as np

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.shared_data import build_data_by_plan, count_faces_by_plan


def test_every_trial_is_scored_on_the_same_untouched_validation_faces(
    settings: StudySettings,
) -> None:
    splits = draw_demo_splits()
    update = {"space": load_space(find_space_file("paper")), "train_faces": 800}
    faces = build_data_by_plan(splits, settings.model_copy(update=update))
    assert list(faces) == ["original", "balanced", "oversampled", "sqrt_sampler"]
    for own in faces.values():
        assert own.validation is splits.validation
        assert own.classes == splits.classes


def test_a_study_with_fewer_training_faces_sees_no_others(settings: StudySettings) -> None:
    splits = draw_demo_splits()
    faces = build_data_by_plan(splits, settings.model_copy(update={"train_faces": 500}))
    own = faces["original"]
    assert len(own.training.faces) == 500
    seen = {image.tobytes() for image in own.training.faces.images}
    assert {image.tobytes() for image in own.train_sample.images} <= seen
    shares = own.training.faces.count_by_class(7) / 500 - splits.train.count_by_class(7) / len(
        splits.train
    )
    assert np.abs(shares).max() < 7 / 500


def test_the_faces_of_each_plan_are_counted_from_the_sample(settings: StudySettings) -> None:
    update = {"space": load_space(find_space_file("paper")), "train_faces": 90}
    faces = build_data_by_plan(draw_demo_splits(), settings.model_copy(update=update))
    counts = count_faces_by_plan(faces)
    assert counts["original"] == counts["sqrt_sampler"] == 90
    assert counts == {plan: len(data.training.faces) for plan, data in faces.items()}
    assert count_faces_by_plan(dict(faces)) == counts
