"""What the check has measured, as a table and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.gpu_check.trial_speed import NetworkSpeed
from benchmarks.markdown_table import format_markdown_table
from fer_tune.trial.gpu_sharing import SharingSpeeds, choose_trial_count

GIB = 2**30


@dataclass(frozen=True)
class GpuResults:
    """The results of a check.

    machine: the GPU, its driver and the versions.
    passed: whether all tests passed.
    product_flops: operations a second of a large matrix product, by precision.
    sharing: speeds by the number of concurrent trials.
    """

    machine: dict[str, object]
    passed: bool
    networks: Sequence[NetworkSpeed]
    product_flops: dict[str, float]
    sharing: SharingSpeeds

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            "machine": self.machine,
            "tests_passed": self.passed,
            "networks": [asdict(network) for network in self.networks],
            "product_flops": self.product_flops,
            "sharing": {str(count): own._asdict() for count, own in self.sharing.items()},
            "best_trial_count": choose_trial_count(self.sharing),
        }

    def format_table(self) -> str:
        """Return two tables in Markdown, with the machine above and what was not measured below."""
        machine = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        products = ", ".join(f"{n} {rate / 1e12:.1f}" for n, rate in self.product_flops.items())
        remarks = [f"{own.name} is trained {own.remark}." for own in self.networks if own.remark]
        parts = [
            machine,
            self._format_networks(),
            f"A matrix product makes so many TFLOP/s: {products}.",
            *remarks,
            self._format_sharing(),
            f"`--gpus-per-trial auto` gives a trial 1/{choose_trial_count(self.sharing)} GPU.",
        ]
        return "\n\n".join(parts)

    def _format_networks(self) -> str:
        headings = (
            "training faces/s of one trial",
            "fer_tune",
            "without CUDA graph",
            "bare loop, float32",
            "bare loop, bfloat16",
            "fer_tune / bare bfloat16",
            "TFLOP/s",
            "share of the product",
        )
        rows = []
        for own in self.networks:
            rates = own.ours, own.ours_plain, own.bare_float32, own.bare_bfloat16
            flops = own.ours * own.flop_per_face
            share = flops / self.product_flops["bfloat16"]
            ratio = f"{own.ours / own.bare_bfloat16:.2f}"
            formatted = (f"{rate:,.0f}" for rate in rates)
            rows.append((own.name, *formatted, ratio, f"{flops / 1e12:.2f}", f"{share:.1%}"))
        return format_markdown_table(headings, rows)

    def _format_sharing(self) -> str:
        headings = (
            "trials at once",
            "faces/s together",
            "over one trial",
            "memory a trial may hold (GiB)",
            "memory a trial held (GiB)",
        )
        total = float(str(self.machine["memory_gb"])) * 1e9
        single = self.sharing[1].faces_per_second
        rows = [
            (
                str(count),
                f"{own.faces_per_second:,.0f}",
                f"{own.faces_per_second / single:.2f}",
                f"{total / count / GIB:.2f}",
                f"{own.gpu_bytes / GIB:.2f}",
            )
            for count, own in self.sharing.items()
        ]
        return format_markdown_table(headings, rows)
