"""What the check has measured, as tables in Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks.gpu_check.trial_speed import NetworkSpeed
from benchmarks.markdown_table import format_markdown_table
from fer_tune.trial.gpu_sharing import SharingSpeeds, choose_trial_count

GIB = 2**30


def format_machine(machine: Mapping[str, object]) -> str:
    """Return the GPU, its driver and the versions in one line."""
    return "\n" + ", ".join(f"{name} {value}" for name, value in machine.items())


def format_networks(networks: Sequence[NetworkSpeed], products: Mapping[str, float]) -> str:
    """Return a table of the networks' training faces a second, with its explanation.

    products: operations a second of a large matrix product, by precision.
    """
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
    for own in networks:
        rates = own.ours, own.ours_plain, own.bare_float32, own.bare_bfloat16
        flops = own.ours * own.flop_per_face
        share, ratio = flops / products["bfloat16"], own.ours / own.bare_bfloat16
        formatted = (f"{rate:,.0f}" for rate in rates)
        rows.append((own.name, *formatted, f"{ratio:.2f}", f"{flops / 1e12:.2f}", f"{share:.1%}"))
    product = ", ".join(f"{name} {rate / 1e12:.1f}" for name, rate in products.items())
    lines = (
        "",
        format_markdown_table(headings, rows),
        "",
        f"A large matrix product makes so many TFLOP/s: {product}. `share of the product` is",
        "fer_tune's TFLOP/s, divided by those of the product in bfloat16.",
        *(f"{own.name} is trained {own.remark}." for own in networks if own.remark),
    )
    return "\n".join(lines)


def format_sharing(speeds: SharingSpeeds, machine: Mapping[str, object]) -> str:
    """Return a table of the speed and memory of several trials at once.

    machine: with the GPU's memory, as `memory_gb`.
    """
    headings = (
        "trials at once",
        "faces/s together",
        "over one trial",
        "memory a trial may hold (GiB)",
        "memory a trial held (GiB)",
    )
    total, single = float(str(machine["memory_gb"])) * 1e9, speeds[1].faces_per_second
    rows = [
        (
            str(count),
            f"{own.faces_per_second:,.0f}",
            f"{own.faces_per_second / single:.2f}",
            f"{total / count / GIB:.2f}",
            f"{own.gpu_bytes / GIB:.2f}",
        )
        for count, own in speeds.items()
    ]
    lines = (
        "",
        format_markdown_table(headings, rows),
        "",
        "`over one trial` is the speed of all trials together, divided by that of one alone.",
        f"`--gpus-per-trial auto` gives a trial 1/{choose_trial_count(speeds)} GPU.",
    )
    return "\n".join(lines)
