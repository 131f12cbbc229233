"""LADR for diffusion language models that draw images: samplers, models and tokenizers, without ComfyUI."""
