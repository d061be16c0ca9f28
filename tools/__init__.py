"""What draws the pictures in docs, help pages and workflow thumbnails; each file is a command."""
