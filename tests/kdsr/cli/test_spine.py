from tests.support.spine import watched


def test_few_steps_lead_from_the_command_to_the_network() -> None:
    """Measured: 9 frames (8 of the script `kdsr`). More is a detour that someone has to read."""
    seen = watched()
    assert len(seen["frames"]) <= 12, seen["frames"]
    assert seen["frames"][-1].endswith("upscaler.py:_fill")
