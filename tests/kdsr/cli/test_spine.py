from tests.support.spine import watched


def test_few_steps_lead_from_the_command_to_the_network() -> None:
    """Measured: 10 frames (9 of the script `kdsr`) and 35 files, 3 of them packages without code.

    More is a detour that someone has to read; what a picture does not need is imported late.
    """
    seen = watched()
    assert len(seen["frames"]) <= 10, seen["frames"]
    assert seen["frames"][-1].endswith("upscaler.py:_fill")
    assert len(seen["files"]) <= 35, seen["files"]
