"""Training of the built-in model: first its image tokenizer, then its transformer, on rendered scenes."""
