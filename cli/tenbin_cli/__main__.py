"""The `tenbin` command: one function or sub-command group per module of this package."""

from __future__ import annotations

import signal

import typer
from rich.console import Console
from tenbin_spec.problems import TenbinError

from tenbin_cli import (
    backtest,
    check,
    cost,
    explain,
    load,
    local,
    menu,
    policy,
    prices,
    profile,
    simulate,
    status,
    suite,
    validate,
)

HELP = "Hold the SLO of LLM services with the fewest dollars: check, price, simulate and explain what stacks promise."

app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP, pretty_exceptions_enable=False)
app.add_typer(cost.app, name="cost")
app.add_typer(local.app, name="local")
app.add_typer(policy.app, name="policy")
app.add_typer(prices.app, name="prices")
app.add_typer(profile.app, name="profile")
app.command()(check.check)
app.command("backtest")(backtest.backtest)
app.command("explain")(explain.explain)
app.command("load")(load.load)
app.command("menu")(menu.menu)
app.command("simulate")(simulate.simulate)
app.command("status")(status.status)
app.command("suite")(suite.suite)
app.command("validate")(validate.validate)


def main() -> None:
    """Run the command; what is wrong with the input or the machine is told in words, without a trace."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except TenbinError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {_escaped(error)}", highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _terminated(_number: int, _frame: object) -> None:
    """End as on an error, so that what was started is ended too."""
    raise SystemExit(128 + signal.SIGTERM)


def _escaped(error: TenbinError) -> str:
    return str(error).replace("[", r"\[")


if __name__ == "__main__":
    main()
