"""Verdicts."""

from gateway.audit.verify_report import Verdict, worst


def test_the_worst_of_several_and_of_none():
    assert worst([Verdict.VERIFIED, Verdict.UNANCHORED, Verdict.ROLLED_BACK, Verdict.CANNOT]) is Verdict.ROLLED_BACK
    assert worst([]) is Verdict.CANNOT
    assert Verdict.ROLLED_BACK.words == "ROLLED BACK"
