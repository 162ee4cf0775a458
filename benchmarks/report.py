"""Figures as tables, and their ratios to those of another run."""

from collections.abc import Iterator, Mapping
from typing import Any

Figures = Mapping[str, Any]

_COLUMNS = ("per_second", "server_cpu_ms", "database_cpu_ms", "load_cpu_ms", "commits")


def lines(result: Figures) -> Iterator[str]:
    """Give the lines of a run's report."""
    for name, subject in result["subjects"].items():
        yield f"\n## {name}\n"
        yield "| | per second | server CPU ms | database CPU ms | load CPU ms | commits | failed |"
        yield "|---|---:|---:|---:|---:|---:|---:|"
        for scenario, figures in subject["scenarios"].items():
            low, high = figures["server_cpu_ms_range"]
            yield (
                f"| {scenario} | {figures['per_second']:.0f}"
                f" | {figures['server_cpu_ms']:.2f} ({low:.2f}-{high:.2f})"
                f" | {figures['database_cpu_ms']:.2f} | {figures['load_cpu_ms']:.2f}"
                f" | {figures['commits']:.2f} | {figures['failed']} |"
            )
        yield "\n| step | p50 ms | p99 ms |"
        yield "|---|---:|---:|"
        for scenario, figures in subject["scenarios"].items():
            for step, times in figures["steps"].items():
                where = step if step == scenario else f"{scenario}: {step}"
                yield f"| {where} | {times['p50_ms']:.1f} | {times['p99_ms']:.1f} |"
        peak = subject["peak_rss_mb"]
        yield f"\npeak memory: {peak['largest']} MB (largest process), {peak['all']} MB (all)"


def ratios(result: Figures, before: Figures) -> Iterator[str]:
    """Give the lines that set a run beside an earlier one; above 1 is more than before.

    Raises:
        SystemExit: if the two were not made in the same conditions, so that no ratio means much.
    """
    if result["conditions"] != before["conditions"]:
        raise SystemExit(
            f"other conditions, nothing to compare:\n{before['conditions']}\n{result['conditions']}"
        )
    for name, subject in result["subjects"].items():
        if name in before["subjects"]:
            yield from ratio_lines(name, subject, before["subjects"][name])


def ratio_lines(name: str, subject: Figures, before: Figures) -> Iterator[str]:
    """Give the lines that set one server's figures beside another's."""
    yield f"\n## {name}: now / before\n"
    yield f"| | {' | '.join(column.replace('_', ' ') for column in _COLUMNS)} | worst p99 |"
    yield f"|---|{'---:|' * (len(_COLUMNS) + 1)}"
    for scenario, figures in subject["scenarios"].items():
        known = before["scenarios"].get(scenario)
        if known is not None:
            cells = [_ratio(figures[column], known[column]) for column in _COLUMNS]
            cells.append(_ratio(_worst(figures), _worst(known)))
            yield f"| {scenario} | {' | '.join(cells)} |"


def _worst(figures: Figures) -> float:
    return max(float(step["p99_ms"]) for step in figures["steps"].values())


def _ratio(now: float, before: float) -> str:
    return f"{now / before:.2f}" if before else "-"
