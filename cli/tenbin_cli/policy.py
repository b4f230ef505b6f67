"""`tenbin policy`: the rules of the policy pack, why each is there, and what a file breaks."""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from tenbin_policies import catalogue, judging, pack, page, settings
from tenbin_policies.judging import Judgement
from tenbin_policies.rules import Level, Rule
from tenbin_policies.settings import Configuration
from tenbin_spec.problems import not_one_of

from tenbin_cli import policy_files, refusals

app = typer.Typer(no_args_is_help=True, help="Rules of the policy pack: list them, explain one, judge a file.")

_Config = Annotated[
    pathlib.Path | None,
    typer.Option("--config", help="Configuration of the pack, as pulumi takes it with --policy-pack-config."),
]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
_COLOURS = {Level.MANDATORY: "red", Level.ADVISORY: "yellow", Level.DISABLED: "dim"}


@app.command("list")
def list_rules(
    config: _Config = None,
    as_json: _Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write docs/policies.md and end.")] = False,
) -> None:
    """List the rules with the level that holds; a configuration is checked, which the engine does only in part.

    Exit status: 0, or 2 when the configuration is wrong.
    """
    with refusals.as_usage_errors():
        found = _configurations(config)
    if markdown:
        typer.echo(page.markdown(), nl=False)
    elif as_json:
        typer.echo(json.dumps([_plain(rule, found[rule.id]) for rule in catalogue.RULES], indent=2))
    else:
        Console().print(_table(found))


@app.command("explain")
def explain(rule: Annotated[str, typer.Argument(help="Id of a rule, for example image-pinned.")]) -> None:
    """Explain a rule: why it is there, what it follows, how to mend what breaks it, before and after.

    Exit status: 0, or 2 when there is no such rule.
    """
    with refusals.as_usage_errors():
        if rule not in catalogue.BY_ID:
            raise refusals.UsageError(not_one_of(rule, catalogue.BY_ID, "a rule"))
    Console().print(_explained(catalogue.BY_ID[rule]))


@app.command("test")
def judge_file(
    file: Annotated[pathlib.Path, typer.Argument(help="JSON of a preview or a stack's export, or manifests as YAML.")],
    config: _Config = None,
    as_json: _Json = False,
    today: Annotated[
        datetime.datetime | None,
        typer.Option("--today", formats=["%Y-%m-%d"], help="Day on which exemptions are judged; today when absent."),
    ] = None,
) -> None:
    """Judge the resources of a file, without an engine.

    Exit status: 0 when no mandatory rule is broken, 1 when one is, 2 when the input is wrong.
    """
    with refusals.as_usage_errors():
        found = _configurations(config)
        resources = policy_files.read(file)
    day = (today or datetime.datetime.now(tz=datetime.UTC)).date()
    judgement = judging.judge_all(catalogue.RULES, resources, found, day)
    if as_json:
        typer.echo(json.dumps(_outcome(judgement, found), indent=2))
    else:
        _show(judgement, found, len(resources))
    if any(found[item.rule].level is Level.MANDATORY for item in judgement.violations):
        raise typer.Exit(refusals.EXIT_FINDINGS)


def _configurations(path: pathlib.Path | None) -> dict[str, Configuration]:
    if path is None:
        return settings.parse_all(catalogue.RULES, {})
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refusals.UsageError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise refusals.UsageError(f"{path}: is no JSON ({error})") from error
    if not isinstance(given, dict):
        raise refusals.UsageError(f"{path}: is no mapping of rules to their configuration")
    return settings.parse_all(catalogue.RULES, given)


def _table(found: dict[str, Configuration]) -> Table:
    table = Table(title=f"{len(catalogue.RULES)} rules", title_justify="left", title_style="bold")
    for column in ("Rule", "Wish", "Severity", "Level"):
        table.add_column(column, no_wrap=column != "Wish")
    for concern, rules in catalogue.CONCERNS.items():
        table.add_section()
        table.add_row(Text(concern, style="bold"), "", "", "")
        for rule in rules:
            level = found[rule.id].level
            table.add_row(rule.id, rule.wish, str(rule.severity), Text(str(level), style=_COLOURS[level]))
    return table


def _explained(rule: Rule) -> Group:
    scope = "all resources of a stack" if rule.kinds is None else ", ".join(sorted(rule.kinds))
    parts: list[Any] = [
        Text(rule.id, style="bold"),
        Text(f"{rule.wish}. {rule.why}\n"),
        Text.assemble(("Repair: ", "bold"), f"{rule.repair}."),
        Text.assemble(("Severity: ", "bold"), f"{rule.severity}, {rule.level} in production"),
        Text.assemble(("Judges: ", "bold"), scope),
        Text.assemble(("Follows: ", "bold"), "; ".join(map(str, rule.standards))),
    ]
    for name, setting in rule.settings.items():
        default = json.dumps(setting.default)
        parts.append(Text.assemble(("Setting ", "bold"), f"{name}: {setting.description}. Default: {default}"))
    for title, text in (("Before", rule.before), ("After", rule.after)):
        parts += [Text(f"\n{title}", style="bold"), Syntax(text, "yaml", background_color="default", word_wrap=True)]
    return Group(*parts)


def _show(judgement: Judgement, found: dict[str, Configuration], resources: int) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for item in judgement.violations:
        level = found[item.rule].level
        console.print(f"{level} {item.rule}", style=_COLOURS[level], markup=False)
        console.print(f"  {item.message}", markup=False)
    for item in judgement.exempted:
        console.print(f"exempt {item.rule}\n  {item.message}", style="dim", markup=False)
    for text in pack.unjudged_texts(judgement.unjudged):
        console.print(f"not judged\n  {text}", style="yellow", markup=False)
    broken, noun = len(judgement.violations), "resource" if resources == 1 else "resources"
    verdict = f"{broken} {'violation' if broken == 1 else 'violations'}" if broken else "no violation"
    console.print(f"{resources} {noun} judged by {len(catalogue.RULES)} rules: {verdict}.", style="bold")


def _plain(rule: Rule, configuration: Configuration) -> dict[str, Any]:
    return {
        "id": rule.id,
        "wish": rule.wish,
        "severity": rule.severity,
        "level": configuration.level,
        "standards": [str(item) for item in rule.standards],
        "settings": dict(configuration.settings),
        "exemptions": [item.model_dump(mode="json") for item in configuration.exemptions],
    }


def _outcome(judgement: Judgement, found: dict[str, Configuration]) -> dict[str, Any]:
    return {
        "violations": [
            {"rule": item.rule, "level": found[item.rule].level, "message": item.message, "urn": _urn(item)}
            for item in judgement.violations
        ],
        "exempted": [{"rule": item.rule, "message": item.message, "urn": _urn(item)} for item in judgement.exempted],
        "unjudged": [{"rule": item.rule, "place": item.message, "urn": _urn(item)} for item in judgement.unjudged],
    }


def _urn(notice: judging.Notice) -> str | None:
    return None if notice.resource is None else notice.resource.urn
