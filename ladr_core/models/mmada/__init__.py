"""MMaDA: all that is its own."""
