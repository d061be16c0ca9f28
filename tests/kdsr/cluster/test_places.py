"""Where workers go, from what Ray says of its machines."""

from typing import Any

import pytest

from kdsr import ConfigError
from kdsr.cluster.places import Place, plan_places
from kdsr.errors import ClusterError

GIB = 1 << 30


def node(name: str = "a", *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {
        "NodeID": name,
        "NodeManagerHostname": f"host-{name}",
        "Alive": alive,
        "Resources": resources,
    }


def test_each_gpu_of_each_machine_gets_a_worker_with_its_share_of_the_cores() -> None:
    nodes = [node("a", CPU=16, GPU=2), node("b", CPU=4, GPU=1), node("c", CPU=64)]
    assert plan_places(nodes, "auto") == [
        Place("a", "host-a", "cuda", 8),
        Place("a", "host-a", "cuda", 8),
        Place("b", "host-b", "cuda", 4),
    ]


def test_a_machine_that_gives_gpus_and_no_cores_works_with_one_thread() -> None:
    assert plan_places([node(GPU=1)], "cuda") == [Place("a", "host-a", "cuda", 1)]


@pytest.mark.parametrize(
    ("cores", "memory", "workers", "threads"),
    [(2, 64, 2, 1), (8, 64, 8, 1), (8, 8, 4, 2), (8, 7, 3, 2), (8, 1, 1, 8), (1, 64, 1, 1)],
)
def test_cores_get_a_worker_each_as_far_as_memory_goes(
    cores: int, memory: int, workers: int, threads: int
) -> None:
    places = plan_places([node(CPU=cores, memory=memory * GIB)], "auto")
    assert places == [Place("a", "host-a", "cpu", threads)] * workers


def test_cpu_leaves_gpus_alone() -> None:
    places = plan_places([node(CPU=2, GPU=4, memory=64 * GIB)], "cpu")
    assert [place.device for place in places] == ["cpu", "cpu"]


def test_dead_machines_get_none() -> None:
    nodes = [node("a", alive=False, GPU=8), node("b", CPU=1, memory=8 * GIB)]
    assert [place.node for place in plan_places(nodes, "auto")] == ["b"]


def test_a_device_that_no_machine_has_is_refused() -> None:
    with pytest.raises(ClusterError, match="no machine of the cluster has a GPU"):
        plan_places([node(CPU=8, memory=64 * GIB)], "cuda")
    with pytest.raises(ClusterError, match="core for work"):
        plan_places([node(memory=64 * GIB)], "auto")


@pytest.mark.parametrize("device", ["cuda:1", "mps", "tpu"])
def test_a_device_of_one_machine_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="auto, cuda"):
        plan_places([node(GPU=8)], device)
