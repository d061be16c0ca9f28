"""Makes every picture anew that shows ComfyUI or a result of the bundled models in it.

    python -m tools.comfy_pictures

Thumbnails of the templates, pictures of the help pages, the README's, and the first look of
docs/comfyui.md. Run it after changing a bundled model, and look at every picture. Needs ComfyUI and
Chromium, as the tests marked `comfy` do; half an hour on one core that others share.
"""

from tools import before_after, first_look, help_pictures, workflow_pictures

if __name__ == "__main__":
    before_after.main()
    workflow_pictures.main()
    help_pictures.main()
    first_look.main()
