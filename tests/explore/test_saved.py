"""Names of what visitors take home."""

from septum.explore import saved


def test_names_stay_in_their_folder():
    assert saved.name("../../etc/passwd", ending="png") == "etc_passwd.png"
    assert len(saved.name("x" * 500, ending="csv")) < 100
