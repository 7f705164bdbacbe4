"""The command ablate: find out which changes of a study's best trial help, one at a time."""
