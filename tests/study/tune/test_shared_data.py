from dataclasses import replace

import numpy as np

from fer_tune.data.demo.demo_splits import draw_demo_splits
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.search_space.load_space import find_space_file, load_space
from fer_tune.study.tune.shared_data import build_data_by_plan, count_faces, get_trial_data
from fer_tune.trial_config import TrialConfig


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
    for plan, data in faces.items():
        config = TrialConfig(data_plan=plan)
        assert count_faces(faces, config) == len(data.training.faces)
    assert len(faces["original"].training.faces) == len(faces["sqrt_sampler"].training.faces) == 90


def test_a_trial_without_suspects_gets_and_counts_the_faces_that_remain(
    settings: StudySettings,
) -> None:
    splits = draw_demo_splits()
    ranked = replace(splits.train, suspect_ranks=np.arange(len(splits.train)))
    update = {"space": load_space(find_space_file("paper")), "train_faces": 400}
    faces = build_data_by_plan(replace(splits, train=ranked), settings.model_copy(update=update))
    for plan in faces:
        config = TrialConfig(data_plan=plan, labels="without_suspects", suspect_share=0.2)
        data = get_trial_data(dict(faces), config)
        assert len(data.training.faces) == count_faces(faces, config)
        assert len(data.training.faces) < len(faces[plan].training.faces)
        assert data.validation is splits.validation
