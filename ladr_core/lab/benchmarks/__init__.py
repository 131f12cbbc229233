"""Programs that measure speed and memory and fill the tables of the documents."""
