"""Image tokenizers: pictures to grids of codebook indices and back, always in float32."""
