"""The parts of the figure that `kdsr.inspect` draws, with Pillow alone: one panel a file."""
