"""`ctanalytics backtest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.executor import ExecutorFlag, MasterFlag, flags
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.backtest import BacktestResult


def backtest(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="The first day to live through (UTC) [default: 30 days before the end]."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The end (UTC) [default: where the logs end].")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="False pages per week that the whole lake may cause.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="A JSON Lines file of what really happened, such as labels.jsonl."),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Detectors, as for detect; repeatable; else call_rate and error_rate.",
            autocompletion=completion.detectors,
        ),
    ] = None,
    executor: ExecutorFlag = None,
    master: MasterFlag = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Replay history day by day as detect would have run, and count its alarms; stores nothing.

    Example: ctanalytics backtest --lake ./lake --since 2026-10-01 --budget 2
    """
    import dataclasses

    from ctanalytics.app.backtest import backtest as run

    settings = console.settings_from(
        {"lake": lake, "detect.budget": budget, **flags(executor, master)}
    )
    result = run(
        console.lake_place(settings),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        labels=labels,
        detectors=detector or (),
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        _print(result)
    for note in result.notes:
        console.note(note)
    console.note(
        f"{len(result.days)} days from {result.since:%Y-%m-%d} to {result.until:%Y-%m-%d %H:%M} UTC, "
        f"{len(result.alarms)} alarms; {result.seconds:.1f} s"
    )


def _print(result: BacktestResult) -> None:
    console.table(
        ("day", "severity", "fired (UTC)", "detector", "account", "region", "title"),
        [
            (
                f"{row['day']:%Y-%m-%d}",
                row["severity"],
                f"{row['fired_at']:%m-%d %H:%M}",
                row["detector"],
                row["account_id"],
                row["aws_region"],
                row["title"],
            )
            for row in result.alarms
        ],
        title="alarms",
    )
    _print_days(result)
    console.table(
        ("detector", "kind", "alarms"),
        [(row["detector"], row["kind"], row["alarms"]) for row in result.kinds],
        title="by kind",
    )
    console.table(
        ("account", "alarms", "a week"),
        [
            (row["account_id"] or "none", row["alarms"], f"{row['per_week']:.2f}")
            for row in result.accounts
        ],
        title="by account",
    )
    whose = "at most: there are no labels" if result.labels is None else "by the labels"
    console.table(
        ("detector", "part", "threshold", "nominal", "actual", "ratio"),
        [_nominal(row) for row in result.nominal],
        title=f"false alarms, {whose}",
    )
    _print_calibration(result)
    if result.labels is not None:
        _print_labels(result.labels)
    if result.insights is not None:
        _print_insights(result.insights)
    _print_billed(result)


def _print_days(result: BacktestResult) -> None:
    loud = [row for row in result.days if row["alarms"] or row["withdrawn"] or row["raised"]]
    console.table(
        ("day", "alarms", "withdrawn", "thresholds raised"),
        [
            (
                f"{row['day']:%Y-%m-%d}",
                row["alarms"],
                row["withdrawn"],
                ", ".join(f"{name} +{value:g}" for name, value in row["raised"].items()),
            )
            for row in loud
        ],
        title=f"days; {len(result.days) - len(loud)} more were quiet",
    )


def _nominal(row: dict[str, Any]) -> tuple[Any, ...]:
    low, high = row["lowest_theta"], row["highest_theta"]
    theta = f"{low:.2f}" if round(low, 2) == round(high, 2) else f"{low:.2f} to {high:.2f}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return (row["detector"], row["part"], theta, f"{row['nominal']:.2f}", row["actual"], ratio)


def _print_calibration(result: BacktestResult) -> None:
    console.table(
        ("series", "looks", "with p < 0.01", ""),
        [
            (
                row["stratum"],
                row["looks"],
                f"{row['share']:.2%}",
                "off: outside 0.3 % to 3 %" if row["is_off"] else "",
            )
            for row in result.calibration
        ],
        title="calibration",
    )


def _print_labels(labels: dict[str, Any]) -> None:
    rows = [*labels["kinds"], labels | {"kind": "all"}]
    console.table(
        ("incidents", "labelled", "found", "median delay"),
        [
            (
                row["kind"],
                row["incidents"],
                row["found"],
                ""
                if row["median_delay_minutes"] is None
                else f"{row['median_delay_minutes']:g} min",
            )
            for row in rows
        ],
        title="labels",
    )


def _print_insights(found: dict[str, Any]) -> None:
    console.out(
        f"AWS's own Insights: {found['aws']:,}; our alarms of such kinds: {found['ours']:,}; told by "
        f"both: {found['both']:,}, and of {found['compared_baselines']:,} baselines "
        f"{found['same_baseline']:,} are equal"
    )
    for name, said in (("only_aws", "AWS alone"), ("only_ours", "we alone")):
        for row in found[name]:
            place = " ".join(str(row[key]) for key in ("account_id", "aws_region") if row[key])
            what = " ".join(str(row[key]) for key in ("event_name", "error_code") if row[key])
            console.out(f"  {said}: {row['started_at']:%Y-%m-%d %H:%M} {what} in {place}")


def _print_billed(result: BacktestResult) -> None:
    console.table(
        ("events", "count", "analysed", "dollars"),
        [
            (
                row["category"],
                row["events"],
                row["analysed"],
                "no price known" if row["usd"] is None else f"{row['usd']:.2f}",
            )
            for row in result.billed
        ],
        title="what CloudTrail Insights would have billed",
    )
