import pytest

from gateway.policy.taxonomy import CLASSES, SHORT_CLASSES, SPECIAL, class_of, is_special


def test_every_class_has_its_parent_and_stands_once():
    assert len(set(CLASSES)) == len(CLASSES) >= 85
    for key in CLASSES:
        parent = key.rpartition(".")[0]
        assert not parent or parent in CLASSES, key
    assert set(SPECIAL) <= set(CLASSES)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("contact.email", "user.contact.email"),
        ("user.contact.email", "user.contact.email"),
        ("user", "user"),
        ("system.operations", "system.operations"),
        ("name", "user.name"),
        ("contact.emial", None),
        ("user.user.name", None),
        ("", None),
        ("Contact.email", None),
    ],
)
def test_the_prefix_may_be_left_out(text, full):
    assert class_of(text) == full


def test_every_short_form_leads_back():
    assert {class_of(short) for short in SHORT_CLASSES} == set(CLASSES) - {"user"}


@pytest.mark.parametrize(
    ("data_class", "special"),
    [
        ("user.health", True),
        ("user.health.genetic", True),
        ("user.healthy", False),
        ("user.biometrics.voice", True),
        ("user.demographic.gender", False),
        ("user.demographic.religious_belief", True),
        ("user.contact.email", False),
    ],
)
def test_special_categories_reach_down_the_tree(data_class, special):
    assert is_special(data_class) is special
