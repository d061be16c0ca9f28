"""Where the time of a student's training step goes, beside what the multiplications alone take.

    python -m benchmarks.step_parts [--sizes s m] [--batch 16] [--patch 32] [--rounds 5]

One thread of a CPU, fp32, user CPU time, which other programs hardly change. Every part is run
apart, forwards and backwards, on tensors of the step's sizes; all parts and the whole step of
`train/run.py` in turn, in one run. The peak is what PyTorch reaches on a product of two large
matrices. Multiply-adds are those of the forward pass, and twice as many for the way back.
"""

import resource
import statistics
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.training import real_step
from kdsr import KDSR, KDSRTeacher
from kdsr.network.config import KDSRConfig
from kdsr.network.layers import LEAK, depthwise_conv
from kdsr.network.tail import compose, run_composed
from tools.arguments import parser_of
from train.loop.freed_memory import keep_freed_memory
from train.loop.optimizer import build_optimizer
from train.losses.terms import kd_loss, l1_loss
from train.recipes.stages import StageOptions

_CPU = torch.device("cpu")
_SCALE = 4
_TEACHER = "teacher's estimator, forwards alone"
_SIDE = 1024  # of the matrices that show the peak


class Parts:
    """The parts of one student step, each ready to be run alone.

    Args:
        size: Of both networks.
        batch: Samples.
        patch: Side of LQ patches.
    """

    def __init__(self, size: str, batch: int, patch: int) -> None:
        torch.manual_seed(0)
        config = KDSRConfig.preset(size, _SCALE)
        self.student, self.teacher = KDSR(config), KDSRTeacher(config)
        self.lq = torch.rand(batch, 3, patch, patch)
        self.gt = torch.rand(batch, 3, patch * _SCALE, patch * _SCALE)
        self.x = torch.rand(batch, config.n_feats, patch, patch, requires_grad=True)
        self.idr = torch.rand(batch, config.n_feats, requires_grad=True)
        self.idr_full = torch.rand(batch, 4 * config.n_feats, requires_grad=True)
        self.sr = torch.rand_like(self.gt, requires_grad=True)
        self.backwards = True
        self.optimizer = build_optimizer(self.student, StageOptions(), _CPU)
        self.ema = AveragedModel(self.student, multi_avg_fn=get_ema_multi_avg_fn(0.999))

    def all(self) -> dict[str, Callable[[], object]]:
        """Name -> what to run."""
        return {
            _TEACHER: self._teacher,
            "student's estimator": self._estimator,
            "head, body and closing convolutions": self._convolutions,
            "IDR-DDC": self._dynamic,
            "tail": self._tail,
            "losses": self._losses,
            "clipping and Adam": self._update,
            "averaging": lambda: self.ema.update_parameters(self.student),
        }

    def clear(self) -> None:
        """Gradients as a step finds them: none, but for the optimiser alone."""
        self.student.zero_grad(set_to_none=True)
        for tensor in (self.x, self.idr, self.idr_full, self.sr):
            tensor.grad = None
        for parameter in self.student.parameters():
            parameter.requires_grad_()

    def _teacher(self) -> None:
        with torch.no_grad():
            self.teacher.estimate_pair(self.lq, self.gt)

    def _estimator(self) -> None:
        self._back(self.student.estimator(self.lq)[1])

    def _convolutions(self) -> None:
        network = self.student.network
        y = network.head(self.lq)
        for block in network.blocks:
            y = block.get_submodule("conv")(y)
        self._back(network.fuse(y))

    def _dynamic(self) -> None:
        y: Tensor = self.x
        for kernels in self.student.network.predict_kernels(self.idr):
            y = F.leaky_relu_(depthwise_conv(y, kernels), LEAK)
        self._back(y)

    def _tail(self) -> None:
        tail = self.student.network.tail
        self._back(run_composed(tail, compose(tail), self.x))

    def _losses(self) -> None:
        target = self.idr_full.detach().flip(0)
        (l1_loss(self.sr, self.gt) + kd_loss(self.idr_full, target)).backward()

    def _update(self) -> None:
        for parameter in self.student.parameters():
            parameter.grad = parameter.detach()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()

    def _back(self, y: Tensor) -> None:
        if self.backwards:
            y.backward(y.detach())

    def multiply_adds(self, name: str) -> float:
        """Of one part, forwards and backwards."""
        self.backwards = False
        with FlopCounterMode(display=False) as counter:
            self.all()[name]()
        self.backwards = True
        return counter.get_total_flops() / 2 * (1 if name == _TEACHER else 3)


def main() -> None:
    """Prints a Markdown table for each size."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", nargs="+", default=["s", "m"], choices=["s", "m", "l", "gan"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32, help="side of LQ patches")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for size in args.sizes:
        table(size, args.batch, args.patch, args.rounds)


def table(size: str, batch: int, patch: int, rounds: int) -> None:
    """Prints the table of one size."""
    parts = Parts(size, batch, patch)
    matrix = torch.rand(_SIDE, _SIDE)
    with real_step(size, batch, patch, _CPU, precision="no") as step:
        runs = {**parts.all(), "peak": lambda: matrix @ matrix, "the step": step}
        products = {name: parts.multiply_adds(name) for name in parts.all()}
        seconds = _seconds(runs, rounds, parts)
    peak = _SIDE**3 / seconds.pop("peak")
    whole = seconds.pop("the step")
    rest = whole - sum(seconds.values())
    print(
        f"\n{size}, {batch} x {patch}x{patch} LQ, fp32, one thread, torch {torch.__version__}; "
        f"the peak is {peak / 1e9:.1f} G multiply-adds a second\n"
    )
    print("| part | ms | share of the step | G multiply-adds | share of the peak |")
    print("|---|---|---|---|---|")
    for name, took in seconds.items():
        _row(name, took, whole, products[name], peak)
    _row("pairs, sums, copies between parts", rest, whole, 0, peak)
    _row("the step", whole, whole, sum(products.values()), peak)


def _row(name: str, took: float, whole: float, products: float, peak: float) -> None:
    reached = f"{products / took / peak:.0%}" if products > 1e8 else ""
    counted = f"{products / 1e9:.2f}" if products > 1e8 else ""
    print(f"| {name} | {took * 1e3:.0f} | {took / whole:.1%} | {counted} | {reached} |", flush=True)


def _seconds(runs: dict[str, Callable[[], object]], rounds: int, parts: Parts) -> dict[str, float]:
    """Median user CPU time of each, all in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            parts.clear()
            start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            run()
            times[name].append(resource.getrusage(resource.RUSAGE_SELF).ru_utime - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


if __name__ == "__main__":
    main()
