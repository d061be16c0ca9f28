"""KDSR for ComfyUI: blind super-resolution without seams, steered by the image's degradation.

Imports nothing until ComfyUI asks for the nodes: starting ComfyUI stays fast, and tools that import
every `__init__.py` they meet (pytest among them) need no ComfyUI.
"""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Called by ComfyUI (>= 0.3.64); returns the extension with the nodes."""
    try:
        from .nodes import KDSRExtension

        return KDSRExtension()
    except Exception:
        # ComfyUI logs one line of what is raised here, which never names the file.
        import logging

        logging.getLogger(__name__).exception("KDSR: the nodes could not be loaded")
        raise
