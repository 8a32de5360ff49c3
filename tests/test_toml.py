"""TOML: bounded before it is parsed, and one line for what is wrong with it."""

import pytest

from phys_gan.files import MOST_TEXT, parsed, read_text, shortened

BOMBS = {
    "dots": (10**5 * "a." + "a = 1", "dots that belong to no number"),
    "brackets": ("a = " + 10**5 * "[" + 10**5 * "]", "nested too deeply"),
    "length": (MOST_TEXT * "#" + "#", "at most 4,194,304 may be"),
    "no value": ("a = \n", "Invalid value"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_on_one_line(bomb):
    text, words = BOMBS[bomb]
    with pytest.raises(ValueError, match=words) as caught:
        parsed(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_numbers_may_have_dots():
    assert parsed("a = [" + 100 * "1.5, " + "]")["a"] == 100 * [1.5]


def test_no_more_is_read_than_is_refused(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(2 * MOST_TEXT * "#")
    assert len(read_text(path)) == MOST_TEXT + 1
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="it is not text"):
        read_text(path)


def test_long_messages_lose_their_middle():
    assert shortened("a\n\x1b[31mb") == "a [31mb"
    assert shortened(200 * "a" + 500 * "b" + 200 * "c") == 150 * "a" + " … " + 150 * "c"
