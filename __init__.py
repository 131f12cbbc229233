"""ComfyUI entry of ComfyUI-LADR: registers the model folder, hands over the node list, names the help folder."""

import re

WEB_DIRECTORY = "./web"
_OLDEST = (0, 3, 64)


def _check_comfyui():
    """Raise an ImportError of one sentence where ComfyUI is too old; outside ComfyUI there is nothing to check."""
    try:
        import folder_paths  # noqa: F401
    except ImportError:
        return
    try:
        from comfyui_version import __version__ as version
    except ImportError:
        version = "0"  # the oldest ones have no number
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < _OLDEST:
        needed = ".".join(str(part) for part in _OLDEST)
        raise ImportError(f"ComfyUI-LADR needs ComfyUI {needed} or newer. Update ComfyUI and start it again.")


# Not in comfy_entrypoint, which a ComfyUI without the V3 node interface would never call.
_check_comfyui()


async def comfy_entrypoint():
    """Give ComfyUI this pack's extension."""
    from comfy_api.latest import ComfyExtension

    from .nodes import NODES
    from .nodes.model_folder import register_model_folder

    class LADRExtension(ComfyExtension):
        async def get_node_list(self):
            return NODES

    register_model_folder()
    return LADRExtension()
