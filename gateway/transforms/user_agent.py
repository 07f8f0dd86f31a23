"""User-Agent made coarse: browser family, major version and platform, such as `Firefox/132 (Linux)`.

Only names from the tables below and a number of at most three digits ever come out, so that nothing
a client wrote passes through.
"""

import re

# The first that fits counts: most browsers also name the ones that they want to be taken for.
_FAMILIES = (
    ("Edge", re.compile(r"\b(?:Edg|EdgA|EdgiOS|Edge)/([0-9]{1,3})(?![0-9])")),
    ("Opera", re.compile(r"\b(?:OPR|OPiOS|OPT)/([0-9]{1,3})(?![0-9])")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/([0-9]{1,3})(?![0-9])")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/([0-9]{1,3})(?![0-9])")),
    ("Chrome", re.compile(r"\b(?:Chrome|CriOS|Chromium|HeadlessChrome)/([0-9]{1,3})(?![0-9])")),
    ("Safari", re.compile(r"\bVersion/([0-9]{1,3})(?![0-9])[^()]*\bSafari/")),
    ("curl", re.compile(r"^curl/([0-9]{1,3})(?![0-9])")),
)
_PLATFORMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("iPod", "iOS"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_LONGEST = 1024


def user_agent(text: str) -> str:
    """Family, major version and platform where it is named; "" for a client that is not in the table."""
    text = text[:_LONGEST]
    for family, pattern in _FAMILIES:
        found = pattern.search(text)
        if found:
            platform = _platform(text)
            # Without leading zeros, which could mark a client.
            return f"{family}/{int(found[1])}" + (f" ({platform})" if platform else "")
    return ""


def _platform(text: str) -> str:
    return next((platform for token, platform in _PLATFORMS if token in text), "")
