"""What happens to files while a model is in use."""

import contextlib


class CutFile:
    """Passes a MODEL on and cuts a file short: after the model was loaded, before it draws."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "path": ("STRING", {"default": ""})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "cut"
    CATEGORY = "probe"

    def cut(self, model, path):
        with contextlib.suppress(FileNotFoundError), open(path, "r+b") as file:
            file.truncate(5000)
        return (model,)


class AddEntry:
    """Adds an entry of text to CONDITIONING, as text encoders of other packs do."""

    @classmethod
    def INPUT_TYPES(cls):
        words = ("STRING", {"default": ""})
        return {"required": {"conditioning": ("CONDITIONING",), "key": words, "value": words}}

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "add"
    CATEGORY = "probe"

    def add(self, conditioning, key, value):
        whole = {"start_percent": 0.0, "end_percent": 1.0}
        return ([[tensor, {**extras, key: value, **whole}] for tensor, extras in conditioning],)


class EncodeList:
    """Encodes a list of texts, as the A1111 parsers of other packs do."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"clip": ("CLIP",), "texts": ("INT", {"default": 1})}}

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "encode"
    CATEGORY = "probe"

    def encode(self, clip, texts):
        tokens = clip.tokenize(["a red circle on the left of a blue square"] * texts)
        found = clip.encode_from_tokens(tokens, return_pooled=True, return_dict=True)
        return ([[found.pop("cond"), found]],)
