"""`privacy-gateway check DIR`: every mistake of the rule files at once, silent about what is fine."""

from pathlib import Path

import click

from gateway.cli.output import FINDINGS, FINE, console, print_diagnostics, print_json
from gateway.model.errors import Severity


@click.command()
@click.argument("rules", type=click.Path(path_type=Path, exists=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object for programs.")
@click.option("--strict", is_flag=True, help="Warnings count as findings too.")
def command(rules: Path, as_json: bool, strict: bool) -> int:
    """Check the rule files in RULES (a directory, or one file).

    Prints FILE:LINE:COLUMN, a code, what is wrong and what to do. Exit status 2 when there is an
    error (or, with --strict, a warning).
    """
    from gateway.cli.rule_files import read_one
    from gateway.policy.compile import compile_policy
    from gateway.runtime.reload import read_rules, today

    files, diagnostics = read_rules(rules) if rules.is_dir() else read_one(rules)
    policy = None
    if not diagnostics:
        policy, diagnostics = compile_policy(files, today=today())
    found = [each for each in diagnostics if strict or each.severity is Severity.ERROR]
    if as_json:
        print_json(
            {
                "diagnostics": diagnostics,
                "digest": policy.digest if policy is not None else None,
                "routes": len(policy.routes) if policy is not None else None,
            }
        )
        return FINDINGS if found else FINE
    print_diagnostics(diagnostics)
    if policy is not None:
        fields = sum(len(route.request.fields) + len(route.response.fields) for route in policy.routes)
        console.print(f"{len(policy.routes)} routes, {fields} fields, digest {policy.digest}", soft_wrap=True)
    else:
        count = "1 diagnostic" if len(diagnostics) == 1 else f"{len(diagnostics)} diagnostics"
        console.print(f"{count}; these rules cannot be used", soft_wrap=True)
    return FINDINGS if found else FINE
