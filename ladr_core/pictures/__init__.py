"""Pictures of what a run did: decode maps, films, comparisons and sweep sheets, drawn with Pillow."""
