import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.action import Mask
from gateway.transforms.mask import mask


@pytest.mark.parametrize(
    ("action", "text", "masked"),
    [
        (Mask(), "Ann Case", "*** ****"),
        (Mask(), "", ""),
        (Mask(), " -.@ ", " -.@ "),
        (Mask(keep_last=4), "4111 1111-1111 1234", "**** ****-**** 1234"),
        (Mask(keep_last=4), "+49 151 2345-6789", "+** *** ****-6789"),
        (Mask(keep_last=4), "(12) 34", "(**) **"),
        (Mask(keep_last=4), "12345", "*2345"),
        (Mask(keep_last=4), "1234", "****"),
        (Mask(keep_first=1, keep_last=1), "ab", "**"),
        (Mask(keep_first=1, keep_last=1), "abc", "a*c"),
        (Mask(keep_first=2), "ann@shop.example", "an*@****.*******"),
        (Mask(keep_first=1, keep_last=2), "a-b-c-d", "a-*-c-d"),
        (Mask(character="x"), "12-34", "xx-xx"),
        (Mask(keep_first=1), "\u00c4rger", "\u00c4****"),
        (Mask(), "\u5f20\u4e09 1", "** *"),
        (Mask(), "Jose\u0301", "*****"),
        (Mask(), "me \U0001f600 \u00b7", "** * *"),
        (Mask(keep_last=1), "12.5", "**.5"),
    ],
)
def test_mask(action, text, masked):
    assert mask(action, text) == masked


@given(st.text(), st.integers(0, 5), st.integers(0, 5))
def test_no_more_letters_survive_than_the_rule_keeps(text, first, last):
    masked = mask(Mask(first, last, "\u2022"), text)
    before = [character for character in text if character.isalnum()]
    after = [character for character in masked if character.isalnum()]

    assert len(masked) == len(text)
    if len(before) <= first + last:
        assert after == []
    else:
        assert after == before[:first] + before[len(before) - last :]


@given(st.text(alphabet=st.characters(min_codepoint=128)))
def test_above_ascii_only_spaces_stay_when_nothing_is_kept(text):
    assert all(character == "*" or character.isspace() for character in mask(Mask(), text))
