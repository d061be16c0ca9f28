"""What the options of a degradation promise."""

from kdsr.errors import ConfigError


def require_shares(what: object, *names: str) -> None:
    """Refuses fields that are no shares.

    Raises:
        ConfigError: Naming all that are not from 0 to 1.
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
    """Refuses a range that is none, or reaches beyond its limits.

    Raises:
        ConfigError: Naming both ends.
    """
    if not limits[0] <= low <= high <= limits[1]:
        raise ConfigError(
            f"{type(what).__name__.lower()}: expected {limits[0]:g} <= min_{name} <= max_{name} <= "
            f"{limits[1]:g}, got {low} and {high}"
        )
