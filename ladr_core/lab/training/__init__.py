"""Training of the built-in model: first its VQ tokenizer, then its transformer, on rendered scenes."""
