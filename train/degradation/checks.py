"""Checks of degradation options."""

from kdsr.errors import ConfigError


def require_shares(what: object, *names: str) -> None:
    """Raises an error if a field is no share.

    Raises:
        ConfigError: If fields are outside of 0 to 1; names them all.
    """
    problems = [
        f"{type(what).__name__.lower()}.{name} is a share, 0 to 1, got {share}"
        for name in names
        if not 0 <= (share := getattr(what, name)) <= 1
    ]
    if problems:
        raise ConfigError("; ".join(problems))


def require_range(
    what: object, name: str, low: float, high: float, limits: tuple[float, float]
) -> None:
    """Raises an error if a range is reversed or exceeds its limits.

    Raises:
        ConfigError: If not limits[0] <= low <= high <= limits[1].
    """
    if not limits[0] <= low <= high <= limits[1]:
        raise ConfigError(
            f"{type(what).__name__.lower()}: expected {limits[0]:g} <= min_{name} <= max_{name} <= "
            f"{limits[1]:g}, got {low} and {high}"
        )
