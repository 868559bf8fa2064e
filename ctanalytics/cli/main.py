"""The Typer app: its commands, the flags they share, the one error boundary, exit codes."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ctanalytics._version import __version__
from ctanalytics.cli import completion, console
from ctanalytics.cli.accounts import import_ as accounts_import
from ctanalytics.cli.accounts import sync as accounts_sync
from ctanalytics.cli.audit import audit
from ctanalytics.cli.backtest import backtest
from ctanalytics.cli.bundle import create as bundle_create
from ctanalytics.cli.bundle import verify as bundle_verify
from ctanalytics.cli.connect import connect
from ctanalytics.cli.deploy import list as deploy_list
from ctanalytics.cli.deploy import render as deploy_render
from ctanalytics.cli.detect import detect
from ctanalytics.cli.emit import emit
from ctanalytics.cli.explain import explain
from ctanalytics.cli.forget import forget
from ctanalytics.cli.health import health
from ctanalytics.cli.hunt import hunt
from ctanalytics.cli.incidents import build as incidents_build
from ctanalytics.cli.incidents import list as incidents_list
from ctanalytics.cli.incidents import show as incidents_show
from ctanalytics.cli.ingest import ingest
from ctanalytics.cli.investigate import investigate
from ctanalytics.cli.lake import check, compact, expire, export, info, vacuum
from ctanalytics.cli.mark import mark
from ctanalytics.cli.nightly import nightly
from ctanalytics.cli.policy import policy
from ctanalytics.cli.queries import list as queries_list
from ctanalytics.cli.queries import show as queries_show
from ctanalytics.cli.query import query
from ctanalytics.cli.report import report
from ctanalytics.cli.rules import coverage as rules_coverage
from ctanalytics.cli.rules import lint as rules_lint
from ctanalytics.cli.rules import list as rules_list
from ctanalytics.cli.rules import run as rules_run
from ctanalytics.cli.rules import show as rules_show
from ctanalytics.cli.rules import test as rules_test
from ctanalytics.cli.rules import try_ as rules_try
from ctanalytics.cli.serve import serve
from ctanalytics.cli.shell import shell
from ctanalytics.cli.show import show
from ctanalytics.cli.simulate import simulate
from ctanalytics.cli.timeline import timeline
from ctanalytics.cli.validate import validate
from ctanalytics.cli.views import views
from ctanalytics.cli.watch import watch
from ctanalytics.errors import CtanalyticsError

app = typer.Typer(
    name="ctanalytics",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
bundle_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
app.add_typer(bundle_app, name="bundle")
lake_app = typer.Typer(help="Look after a lake.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(lake_app, name="lake")
queries_app = typer.Typer(help="Saved queries.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(queries_app, name="queries")
accounts_app = typer.Typer(
    help="Names of accounts and people.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(accounts_app, name="accounts")
incidents_app = typer.Typer(
    help="Anomalies that belong together.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(incidents_app, name="incidents")
rules_app = typer.Typer(
    help="Run, try and test Sigma rules.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(rules_app, name="rules")
deploy_app = typer.Typer(
    help="Templates of a trail that is set up well, and of the nightly job.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(deploy_app, name="deploy")


def _print_version(wanted: bool) -> None:
    if wanted:
        console.out(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Ask AWS CloudTrail logs what happened, who did it, and whether it is normal."""


def _shared_flags(
    config: Annotated[
        Path | None, typer.Option(help="Settings file [default: ./ctanalytics.toml].")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region of clients.")] = None,
    role_arn: Annotated[str | None, typer.Option(help="Role to assume.")] = None,
    external_id: Annotated[str | None, typer.Option(help="External id of that role.")] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            help="What goes to stderr: text or json lines.",
            autocompletion=completion.one_of("text", "json"),
        ),
    ] = None,
    quiet: Annotated[bool | None, typer.Option("--quiet", help="Errors only.")] = None,
) -> None:
    """Flags that every command takes after its own."""


def command(function: Callable[..., None], *, role_of: str = "source_aws") -> Callable[..., None]:
    """Give a command the shared flags.

    Args:
        role_of: the part of the settings that --role-arn and --external-id speak about; profile
            and region speak about all parts.
    """
    own = inspect.signature(function).parameters
    hints = get_type_hints(function, include_extras=True)
    extra = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind)
        for parameter, kind in (
            (parameter, get_type_hints(_shared_flags, include_extras=True)[name])
            for name, parameter in inspect.signature(_shared_flags).parameters.items()
        )
        if parameter.name not in own
    ]

    @functools.wraps(function)
    def run_with_shared_flags(**values: Any) -> None:
        given = {parameter.name: values.pop(parameter.name) for parameter in extra}
        console.shared.config = given.get("config")
        flags = {"log_format": given.get("log_format"), "quiet": given.get("quiet")}
        for part in ("source_aws", "lake_aws", "emit_aws", "audit_aws"):
            flags |= {
                f"{part}.profile": given.get("profile"),
                f"{part}.region": given.get("region"),
            }
        for name in ("role_arn", "external_id"):
            flags[f"{role_of}.{name}"] = given.get(name)
        console.shared.flags = {name: value for name, value in flags.items() if value is not None}
        function(**values)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in own.values()
    ]
    run_with_shared_flags.__signature__ = inspect.Signature([*parameters, *extra])  # type: ignore[attr-defined]
    run_with_shared_flags.__annotations__ = {
        parameter.name: parameter.annotation for parameter in (*parameters, *extra)
    }
    return run_with_shared_flags


app.command("ingest")(command(ingest))
app.command("forget")(command(forget, role_of="lake_aws"))
app.command("simulate")(command(simulate))
app.command("detect")(command(detect, role_of="lake_aws"))
app.command("emit")(command(emit, role_of="emit_aws"))
app.command("nightly")(command(nightly))
app.command("watch")(command(watch))
app.command("report")(command(report, role_of="lake_aws"))
app.command("serve")(command(serve, role_of="lake_aws"))
app.command("backtest")(command(backtest, role_of="lake_aws"))
app.command("health")(command(health, role_of="lake_aws"))
bundle_app.callback()(command(bundle_create.bundle))
bundle_app.command("verify")(command(bundle_verify.verify))
app.command("validate")(command(validate))
app.command("audit")(command(audit, role_of="audit_aws"))
app.command("query")(command(query, role_of="lake_aws"))
app.command("views")(command(views, role_of="lake_aws"))
app.command("connect")(command(connect, role_of="lake_aws"))
accounts_app.command("sync")(command(accounts_sync.sync))
accounts_app.command("import")(command(accounts_import.import_, role_of="lake_aws"))
app.command("shell")(command(shell, role_of="lake_aws"))
app.command("investigate")(command(investigate, role_of="lake_aws"))
app.command("show")(command(show, role_of="lake_aws"))
app.command("policy")(command(policy, role_of="lake_aws"))
app.command("timeline")(command(timeline, role_of="lake_aws"))
app.command("explain")(command(explain, role_of="lake_aws"))
app.command("mark")(command(mark, role_of="lake_aws"))
app.command("hunt")(command(hunt, role_of="lake_aws"))
deploy_app.command("list")(command(deploy_list.list_kits))
deploy_app.command("render")(command(deploy_render.render, role_of="lake_aws"))
queries_app.command("list")(command(queries_list.list_queries, role_of="lake_aws"))
queries_app.command("show")(command(queries_show.show, role_of="lake_aws"))
for verb in (
    info.info,
    compact.compact,
    expire.expire,
    vacuum.vacuum,
    check.check,
    export.export,
):
    lake_app.command(verb.__name__)(command(verb, role_of="lake_aws"))

incidents_app.command("build")(command(incidents_build.build, role_of="lake_aws"))
incidents_app.command("list")(command(incidents_list.list_incidents, role_of="lake_aws"))
incidents_app.command("show")(command(incidents_show.show, role_of="lake_aws"))
rules_app.command("list")(command(rules_list.list_, role_of="lake_aws"))
rules_app.command("show")(command(rules_show.show, role_of="lake_aws"))
rules_app.command("test")(command(rules_test.test, role_of="lake_aws"))
rules_app.command("lint")(command(rules_lint.lint, role_of="lake_aws"))
rules_app.command("run")(command(rules_run.run, role_of="lake_aws"))
rules_app.command("try")(command(rules_try.try_, role_of="lake_aws"))
rules_app.command("coverage")(command(rules_coverage.coverage, role_of="lake_aws"))


def run() -> None:
    """Run the program: the console script's entry point."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run a command line and return its exit code: 0 done, 1 failed, 2 usage, 3 done in part."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = app(arguments, standalone_mode=False, prog_name="ctanalytics")
    except CtanalyticsError as error:
        console.fail(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("stopped; what was begun is finished by the next run\n")
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        error.show()  # type: ignore[attr-defined]
        return int(getattr(error, "exit_code", 2))
    return result if isinstance(result, int) else 0


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)
