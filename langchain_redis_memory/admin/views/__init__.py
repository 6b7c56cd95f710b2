"""What each page shows: a function from a visit to a template with its data."""
