"""The samplers that Lumina-DiMOO and MMaDA were published with."""
