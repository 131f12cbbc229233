"""The built-in model: its layout, its network, its weights and their card."""
