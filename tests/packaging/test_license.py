from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_is_the_whole_apache_licence():
    text = (ROOT / "LICENSE").read_text()

    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {number}. " in text for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX: How to apply" in text
