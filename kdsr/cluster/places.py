"""Where workers go: one to each GPU of a cluster; if it has none, as cores and memory allow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ClusterError, ConfigError

DEVICES = ("auto", "cpu", "cuda")
_ROOM = 2 << 30  # bytes for a worker on a CPU: PyTorch, the network's tiles, three pictures


@dataclass(frozen=True)
class Place:
    """Where one worker lives."""

    node: str
    """Ray's name of the machine."""
    machine: str
    """Its name for people."""
    device: str
    """"cuda" (the one GPU that the worker then sees) or "cpu"."""
    threads: int
    """For PyTorch's work on the CPU."""


def plan_places(nodes: Iterable[Mapping[str, Any]], device: str) -> list[Place]:
    """Places for workers, machine by machine.

    On CPUs many workers of one thread do more than few of many threads, so there is one for each
    core that has memory for it; cores that are left over become threads.

    Args:
        nodes: As `ray.nodes()` describes them.
        device: One of `DEVICES`; auto takes the GPUs if there are any.

    Raises:
        ConfigError: If it is none of them.
        ClusterError: If the cluster has no such device.
    """
    if device not in DEVICES:
        raise ConfigError(
            f"--device {device} names a device of one machine; with --cluster use auto, cuda "
            "(every GPU) or cpu"
        )
    alive = [node for node in nodes if node["Alive"]]
    places = [place for node in alive for place in _on_gpus(node)] if device != "cpu" else []
    if not places and device != "cuda":
        places = [place for node in alive for place in _on_cores(node)]
    if not places:
        wanted = "GPU" if device == "cuda" else "core for work (Ray's CPU resource)"
        raise ClusterError(
            f"no machine of the cluster has a {wanted}; it has {len(alive)} machines"
        )
    return places


def _on_gpus(node: Mapping[str, Any]) -> list[Place]:
    count = int(node["Resources"].get("GPU", 0))
    threads = max(1, int(node["Resources"].get("CPU", 0)) // max(count, 1))
    return [_place(node, "cuda", threads) for _ in range(count)]


def _on_cores(node: Mapping[str, Any]) -> list[Place]:
    cores = int(node["Resources"].get("CPU", 0))
    count = min(cores, max(1, int(node["Resources"].get("memory", 0)) // _ROOM))
    return [_place(node, "cpu", cores // count) for _ in range(count)]


def _place(node: Mapping[str, Any], device: str, threads: int) -> Place:
    return Place(node["NodeID"], node["NodeManagerHostname"], device, threads)
