from gateway.model.errors import Severity
from gateway.policy.policy import Place
from gateway.policy.report import Report, closest

HERE = Place("a.yaml", 3, 5)


def test_diagnostics_come_sorted_and_once():
    report = Report()
    report.add("PG201", Place("b.yaml", 1, 1), "x")
    report.add("PG404", HERE, "y")
    report.add("PG404", HERE, "y")
    report.add("PG201", Place("a.yaml", 3, 1), "z", "hint", offset=2)

    found = report.sorted()

    assert [(one.file, one.line, one.column, one.code) for one in found] == [
        ("a.yaml", 3, 3, "PG201"),
        ("a.yaml", 3, 5, "PG404"),
        ("b.yaml", 1, 1, "PG201"),
    ]


def test_only_errors_fail():
    report = Report()
    report.add("PG404", HERE, "a warning by the table")
    report.add("PG201", HERE, "softened", severity=Severity.WARNING)
    assert not report.failed

    report.add("PG201", HERE, "an error by the table")
    assert report.failed


def test_a_hint_names_the_nearest_word_or_all_of_few():
    assert closest("emial", ["email", "name"]) == "did you mean 'email'?"
    assert closest("zzz", ("a", "b")) == "one of: a, b"
    assert closest("zzz", [f"word{n}" for n in range(17)]) == ""
    assert closest("zzz", []) == ""
