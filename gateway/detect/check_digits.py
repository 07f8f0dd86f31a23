"""Numbers that prove themselves by check digits, ranges and lengths: payment cards, bank accounts, phones."""

from bisect import bisect_right

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# First and last prefix of six digits, lengths. Sources: ISO/IEC 7812-1 and the networks' published ranges.
_CARDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (220000, 220499, frozenset({16, 19})),  # Mir
    (222100, 272099, frozenset({16})),  # Mastercard
    (300000, 305999, frozenset({14})),  # Diners Club
    (340000, 349999, frozenset({15})),  # American Express
    (352800, 358999, frozenset({16})),  # JCB
    (360000, 369999, frozenset({14})),  # Diners Club
    (370000, 379999, frozenset({15})),  # American Express
    (380000, 399999, frozenset({14})),  # Diners Club
    (400000, 499999, frozenset({16})),  # Visa
    (510000, 559999, frozenset({16})),  # Mastercard
    (601100, 601199, frozenset({16})),  # Discover
    (620000, 629999, frozenset({16, 19})),  # UnionPay
    (644000, 659999, frozenset({16})),  # Discover
    (675900, 675999, frozenset({16})),  # Maestro
)
_STARTS = [low for low, _, _ in _CARDS]


def is_luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B). `digits` are ASCII digits."""
    total = 0
    for place, digit in enumerate(reversed(digits.encode())):
        total += _DOUBLED[digit - 48] if place % 2 else digit - 48
    return total % 10 == 0


def is_payment_card(digits: str) -> bool:
    """Whether these ASCII digits are a number that a known card network gives out."""
    if not 14 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    prefix = int(digits[:6])
    low, high, lengths = _CARDS[bisect_right(_STARTS, prefix) - 1]
    return low <= prefix <= high and len(digits) in lengths and is_luhn(digits)


# ISO 13616-1, registry of SWIFT: the length of an IBAN by its country.
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (
        line.split(": ")
        for line in """15: NO
16: BE
18: DK FI FO GL NL FK
19: MK SI
20: AT BA EE KZ LT LU MN XK
21: CH HR LI LV
22: BG BH CR DE GB GE IE ME RS VA
23: AE GI IL IQ OM SO TL
24: AD CZ ES MD PK RO SA SE SK TN VG
25: LY PT ST
26: IS TR
27: BI DJ FR GR IT MC MR SM
28: AL AZ BY CY DO GT HN HU LB NI PL SV
29: BR EG PS QA UA
30: JO KW MU YE
31: MT SC
32: LC
33: RU""".splitlines()
    )
    for country in countries.split()
}


def iban_length(text: str) -> int:
    """How many characters an IBAN has that begins like this text; 0 where none does."""
    return _IBAN_LENGTHS.get(text[:2].upper(), 0)


def is_iban(text: str) -> bool:
    """Whether this text without spaces is an IBAN of its country's length with right check digits (ISO 7064)."""
    text = text.upper()
    if iban_length(text) != len(text) or not (text.isascii() and text.isalnum() and text[2:4].isdigit()):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


# ITU-T E.164, list of assigned country codes (annex to Operational Bulletin 1114).
_CODES = frozenset(
    [
        "1",
        "7",
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
        "211",
        "212",
        "213",
        "216",
        "218",
        "220",
        "221",
        "222",
        "223",
        "224",
        "225",
        "226",
        "227",
        "228",
        "229",
        "230",
        "231",
        "232",
        "233",
        "234",
        "235",
        "236",
        "237",
        "238",
        "239",
        "240",
        "241",
        "242",
        "243",
        "244",
        "245",
        "246",
        "247",
        "248",
        "249",
        "250",
        "251",
        "252",
        "253",
        "254",
        "255",
        "256",
        "257",
        "258",
        "260",
        "261",
        "262",
        "263",
        "264",
        "265",
        "266",
        "267",
        "268",
        "269",
        "290",
        "291",
        "297",
        "298",
        "299",
        "350",
        "351",
        "352",
        "353",
        "354",
        "355",
        "356",
        "357",
        "358",
        "359",
        "370",
        "371",
        "372",
        "373",
        "374",
        "375",
        "376",
        "377",
        "378",
        "380",
        "381",
        "382",
        "383",
        "385",
        "386",
        "387",
        "389",
        "420",
        "421",
        "423",
        "500",
        "501",
        "502",
        "503",
        "504",
        "505",
        "506",
        "507",
        "508",
        "509",
        "590",
        "591",
        "592",
        "593",
        "594",
        "595",
        "596",
        "597",
        "598",
        "599",
        "670",
        "672",
        "673",
        "674",
        "675",
        "676",
        "677",
        "678",
        "679",
        "680",
        "681",
        "682",
        "683",
        "685",
        "686",
        "687",
        "688",
        "689",
        "690",
        "691",
        "692",
        "850",
        "852",
        "853",
        "855",
        "856",
        "880",
        "886",
        "960",
        "961",
        "962",
        "963",
        "964",
        "965",
        "966",
        "967",
        "968",
        "970",
        "971",
        "972",
        "973",
        "974",
        "975",
        "976",
        "977",
        "992",
        "993",
        "994",
        "995",
        "996",
        "998",
    ]
)


def is_phone(digits: str) -> bool:
    """Whether these ASCII digits, which stood behind a `+`, can be an E.164 number: known country, likely length."""
    if not 9 <= len(digits) <= 15:
        return False
    if digits[0] == "1":
        # North American numbering plan: area and exchange begin with 2 to 9.
        return len(digits) == 11 and digits[1] in "23456789" and digits[4] in "23456789"
    return any(digits[:size] in _CODES for size in (1, 2, 3))
