"""The shapes world: flat coloured shapes, with exact conditionals."""
