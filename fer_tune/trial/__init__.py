"""The training of one trial: network, loop, checkpoint, augmentation."""
