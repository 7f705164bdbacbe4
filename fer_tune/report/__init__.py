"""What a study found, as one page of HTML that needs nothing beside it."""
