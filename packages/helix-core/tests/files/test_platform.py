import os

from helix_core import platform


def test_files_belong_to_the_user_that_platform_names(tmp_path):
    (tmp_path / "mine").write_text("")
    user = platform.user_id()
    assert user is None or (tmp_path / "mine").stat().st_uid == user


def test_the_processor_has_a_name():
    assert platform.cpu_name().strip()
    assert platform.cpu_count() <= (os.cpu_count() or 1)
