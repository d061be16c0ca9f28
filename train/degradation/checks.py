"""What the options of a degradation promise."""

from kdsr.errors import ConfigError


def require_share(what: object, share: float) -> None:
    """Refuses a share that is none.

    Raises:
        ConfigError: If it is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        name = type(what).__name__.lower()
        raise ConfigError(f"{name}.share is a share, 0 to 1, got {share}")


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
