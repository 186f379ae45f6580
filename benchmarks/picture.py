"""The run's figures as bars, in one SVG that suits a light page and a dark one."""

from collections.abc import Sequence
from html import escape

from benchmarks.bench import Result

_NAMES, _BARS, _FIGURES = 230, 380, 90  # widths of a line's three columns
_LINE, _TITLE, _GAP = 22, 44, 14
_WIDTH = _NAMES + _BARS + _FIGURES

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.less { fill: #59636e }
.ours { fill: #0969da }
.other { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .less { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .other { fill: #545d68 }
}"""


def draw(results: Sequence[Result]) -> str:
    """Return the SVG: a group of bars for each workload, the shortest first."""
    height, groups = 8, []
    for result in results:
        group, height = _group(result, height)
        groups.append(group)
    told = escape("; ".join(f"{result.title}: {_told(result)}" for result in results))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
        f"<title>{told}</title><style>{_STYLE}</style>\n" + "\n".join(groups) + "\n</svg>\n"
    )


def _told(result: Result) -> str:
    return ", ".join(f"{name} {figure:.3g}" for name, figure in _figures(result))


def _figures(result: Result) -> list[tuple[str, float]]:
    """Return what each contender needed: wall time where the origin is far away, else processor time for a unit."""
    figures = {name: result.wall(name) if result.far else result.cpu(name) / result.units for name in result.samples}
    return sorted(figures.items(), key=lambda figure: figure[1])


def _group(result: Result, top: int) -> tuple[str, int]:
    measure = "seconds" if result.far else f"processor time, {result.per_unit}"
    lines = [
        f'<text class="title" x="0" y="{top + 18}">{escape(result.title)}'
        f'<tspan class="less" font-weight="400" dx="8">{escape(measure)}; less is better</tspan></text>'
    ]
    figures, y = _figures(result), top + _TITLE - 14
    longest = max(figure for _, figure in figures)
    for name, figure in figures:
        kind = "ours" if name.startswith("streamzip") else "other"
        width = max(1.0, _BARS * figure / longest)
        lines += [
            f'<text x="0" y="{y + 15}">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_NAMES}" y="{y + 4}" width="{width:.1f}" height="{_LINE - 8}" rx="2"/>',
            f'<text class="less" x="{_NAMES + width + 6:.1f}" y="{y + 15}">{figure:.3g}</text>',
        ]
        y += _LINE
    return "\n".join(lines), y + _GAP
