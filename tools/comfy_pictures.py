"""Makes all pictures anew that show ComfyUI or results of the bundled models.

    python -m tools.comfy_pictures

These are the thumbnails of the templates and the pictures of the help pages. Run it after changing
a bundled model, and look at every picture. It needs ComfyUI and Chromium, like the tests marked
`comfy`, and takes half an hour on one core.
"""

from tools import help_pictures, workflow_pictures

if __name__ == "__main__":
    workflow_pictures.main()
    help_pictures.main()
