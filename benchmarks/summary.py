"""All workloads of a run in one table: processor seconds, and wall seconds in brackets. In bold: the least of those
that make an archive; a hop of nginx makes none.
"""

from collections.abc import Callable, Sequence

from benchmarks.bench import Result


def summarise(results: Sequence[Result]) -> str:
    """Return the table in Markdown: a line for each contender, a column for each workload."""
    names = list(dict.fromkeys(name for result in results for name in result.samples))
    lines = [
        f"| CPU s (wall s) | {' | '.join(result.title for result in results)} |",
        f"|---|{'---:|' * len(results)}",
        *(f"| {name} | {' | '.join(_cell(name, result) for result in results)} |" for name in names),
    ]
    return "\n".join(lines)


def _cell(name: str, result: Result) -> str:
    if name not in result.samples:
        return ""
    return f"{_bold(name, result, result.cpu)} ({_bold(name, result, result.wall)})"


def _bold(name: str, result: Result, figure: Callable[[str], float]) -> str:
    least = min(figure(other) for other in result.samples if not other.startswith("nginx"))
    text = f"{figure(name):.2f}"
    return text if name.startswith("nginx") or figure(name) > least else f"**{text}**"
