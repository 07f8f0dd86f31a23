"""`privacy-gateway test DIR`: run the cases beside the rules, and name the rules that none reached."""

import time
from pathlib import Path

import click
from rich.columns import Columns
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.cli.output import COULD_NOT_RUN, FINDINGS, FINE, console, fail, print_json, printable
from gateway.engine.judge import Outcome, Rule, all_rules, judge, uncovered


@click.command()
@click.argument("rules", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--only", default="", help="Run the cases whose name holds this text.")
@click.option("--coverage/--no-coverage", default=True, help="Name the field rules that no case reached.")
@click.option("--threshold", type=click.IntRange(0, 100), default=0, help="Least percentage of rules to reach.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
def command(rules: Path, only: str, coverage: bool, threshold: int, as_json: bool) -> int:
    """Run the cases (*.cases.yaml) beside the rules in RULES.

    Exit status 2 when a case fails or too few rules are reached; 1 when there is no case at all.
    """
    from gateway.cli.rule_files import read_cases_files
    from gateway.engine.engine import Engine
    from gateway.engine.trial import PAPER_KEYS
    from gateway.model.limits import DEFAULT_LIMITS
    from gateway.policy.cases import read_cases
    from gateway.runtime.reload import load_directory

    policy, _ = load_directory(rules)
    cases = [case for case in read_cases(read_cases_files(rules)) if only in case.name]
    if not cases:
        hint = f"no case's name holds '{only}'" if only else "no case found: write NAME.cases.yaml beside the rules"
        fail(hint, as_json=as_json, exit_code=COULD_NOT_RUN)
    engine = Engine(policy, PAPER_KEYS, DEFAULT_LIMITS, outgoing=True)
    outcomes = [judge(engine, case, now=time.time()) for case in cases]
    missing = uncovered(policy, outcomes)
    total = len(all_rules(policy))
    percent = 100 if not total else 100 * (total - len(missing)) // total
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        _print_json(outcomes, missing, percent)
    else:
        _print(outcomes, failed, missing if coverage else [], percent)
    return FINDINGS if failed or percent < threshold else FINE


def _print(outcomes: list[Outcome], failed: list[Outcome], missing: list[Rule], percent: int) -> None:
    for outcome in failed:
        place = outcome.case.place
        console.print(Text(printable(f"FAILED {place.file}:{place.line}: {outcome.case.name}"), style="bold red"))
        for difference in outcome.differences:
            sides = [
                Panel(Text(printable(difference.expected)), title="expected"),
                Panel(Text(printable(difference.got)), title="got"),
            ]
            console.print(Text(f"  {difference.what}"))
            console.print(Columns(sides, equal=True, expand=True))
    if missing:
        table = Table("route", "direction", "address", title="rules that no case reached", title_justify="left")
        for route, direction, address in missing:
            table.add_row(Text(route), direction, Text(address))
        console.print(table)
    passed = len(outcomes) - len(failed)
    console.print(f"{passed} passed, {len(failed)} failed, {percent}% of the rules reached", soft_wrap=True)


def _print_json(outcomes: list[Outcome], missing: list[Rule], percent: int) -> None:
    print_json(
        {
            "cases": [
                {
                    "name": outcome.case.name,
                    "file": outcome.case.place.file,
                    "line": outcome.case.place.line,
                    "passed": outcome.passed,
                    "differences": outcome.differences,
                }
                for outcome in outcomes
            ],
            "coverage": percent,
            "unreached": [
                {"route": route, "direction": direction, "address": address} for route, direction, address in missing
            ],
        }
    )
