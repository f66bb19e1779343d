"""What commands print."""

from septum import show


def test_a_complaint_is_one_sentence_on_a_terminal_without_unicode():
    plain = " Value error \n -------- \n  Wrong: 3. \n        \n  And more. \n  ---------\n  Help"
    assert show.sentence(plain) == "Wrong: 3; see septum --help."
