"""What people see of a study: while it runs, when it has ended, and the test scores."""
