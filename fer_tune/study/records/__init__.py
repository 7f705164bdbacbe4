"""What a study keeps on disk or in a bucket: settings, event log, checkpoints."""
