"""Ray Tune: session, searcher, scheduler, trainable and callback of a study."""
