"""What a study stores on disk or in a bucket: settings, event log, checkpoints."""
