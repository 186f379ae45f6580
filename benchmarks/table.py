"""The results as Markdown: medians, and each contender's processor time beside the hop's that does the same."""

from collections.abc import Sequence
from statistics import median

from benchmarks.bench import Result, Sample
from benchmarks.workloads.downloads import COPY, HOP, NO_COPY, PLAIN, STORE

_COLUMNS = ("wall s", "first byte ms", "CPU s", "CPU s until durable", "CPU per unit", "CPU ÷ nginx", "peak MiB", "MiB")
_HEAD = (f"| contender | {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * len(_COLUMNS)}")


def render(result: Result) -> str:
    """One workload's table, with its notes."""
    lines = [f"### {result.title}", "", *_HEAD]
    lines += [_row(name, samples, result) for name, samples in result.samples.items()]
    lines += ["", f"CPU per unit: {result.per_unit}."]
    lines += [f"{note}." for note in result.notes]
    return "\n".join(lines)


def _row(name: str, samples: Sequence[Sample], result: Result) -> str:
    cpu = result.cpu(name)
    durable = [sample.durable for sample in samples if sample.durable is not None]
    beside = _beside(name, result)
    cells = [
        name,
        f"{result.wall(name):.3f}",
        f"{1000 * median(sample.first_byte for sample in samples):.1f}",
        f"{cpu:.2f}",
        f"{median(durable):.2f}" if durable else "",
        f"{cpu / result.units:.3f}",
        f"{cpu / beside:.2f}" if beside else "",
        f"{max(sample.peak for sample in samples) / (1 << 20):.0f}",
        f"{samples[0].size / (1 << 20):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _beside(name: str, result: Result) -> float | None:
    """The processor time of the nginx hop that this contender is held to: storing where it keeps a copy."""
    hop = HOP if name in (HOP, NO_COPY, PLAIN) else STORE if name.startswith((STORE, COPY)) else None
    if hop is None or hop not in result.samples:
        return None
    return result.cpu(hop)
