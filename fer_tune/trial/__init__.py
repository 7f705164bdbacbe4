"""The training of one trial: loop, state, checkpoint, augmentation."""
