"""The parts of the figure that `kdsr.meaning.report` draws, with Pillow alone: one panel a file."""
