"""Programs that fill the tables of the documents and draw their pictures."""
