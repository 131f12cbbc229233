"""ComfyUI entry of ComfyUI-LADR: registers the model folder, hands over the node list, names the help folder."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Give ComfyUI this pack's extension; a ComfyUI without the V3 node interface gets one sentence."""
    try:
        from comfy_api.latest import ComfyExtension
    except ImportError as error:
        raise ImportError("ComfyUI-LADR needs ComfyUI 0.3.64 or newer. Update ComfyUI and start it again.") from error

    from .nodes import NODES
    from .nodes.model_folder import register_model_folder

    class LADRExtension(ComfyExtension):
        async def get_node_list(self):
            return NODES

    register_model_folder()
    return LADRExtension()
