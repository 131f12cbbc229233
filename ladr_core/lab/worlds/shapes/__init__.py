"""The shapes world: flat colored shapes, with exact conditionals."""
