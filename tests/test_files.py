"""Files are written whole or not at all; tests/faults has real faults."""

import errno
import os
import stat
import tempfile
import threading
from functools import partial
from pathlib import Path

import pytest

from packtutor._files import check_writable, write_whole

both_ways = pytest.mark.parametrize("alone", [False, True])
modes = pytest.mark.skipif(os.name != "posix", reason="no permissions there")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@both_ways
def test_the_new_file_takes_the_place_of_the_old_one(tmp_path, alone):
    path = tmp_path / "file"
    for content in (b"old", b"", b"new\r\n"):
        write_whole(path, content, alone=alone)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="a whole path has 260 there")
def test_a_name_may_be_as_long_as_the_system_takes(tmp_path):
    path = tmp_path / ("x" * 255)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@both_ways
@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()]
)
def test_what_fails_leaves_the_old_file(
    tmp_path, monkeypatch, name, error, alone
):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(
        *{"fsync": (os, name), "replace": (Path, name)}[name], fail
    )
    with pytest.raises(type(error)) as raised:
        write_whole(path, b"new", alone=alone)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    if isinstance(error, OSError):
        assert raised.value.filename == str(path)
        assert raised.value.strerror == "full"


def test_an_error_names_the_file_that_was_meant(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file") as raised:
        write_whole(tmp_path / "missing" / "file", b"new")
    assert raised.value.filename == str(tmp_path / "missing" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"new")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_an_error_without_words_keeps_its_own(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no number")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no number"):
        write_whole(tmp_path / "file", b"new")


def test_a_process_alone_writes_over_what_a_killed_one_left(tmp_path):
    path = tmp_path / "file"
    (tmp_path / "file.partial").write_bytes(b"half of something longer")
    write_whole(path, b"new", alone=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@both_ways
def test_a_link_stays_a_link(tmp_path, alone):
    real, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    real.parent.mkdir()
    try:
        link.symlink_to(real)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    for content in (b"first", b"second"):  # at first it leads nowhere
        write_whole(link, content, alone=alone)
        assert link.is_symlink()
        assert real.read_bytes() == content
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.parametrize("through", ["one", "two", "a folder"])
def test_a_link_in_a_circle_is_refused(tmp_path, through):
    link = tmp_path / "link"
    leads = {"one": "link", "two": "other", "a folder": "link/file"}[through]
    try:
        link.symlink_to(leads)
        (tmp_path / "other").symlink_to("link")
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    for write in (check_writable, partial(write_whole, content=b"new")):
        with pytest.raises(OSError) as raised:  # noqa: PT011 (any text)
            write(link)
        assert raised.value.filename == str(link)
        if os.name == "posix":
            assert raised.value.errno == errno.ELOOP
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


@modes
@both_ways
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o400, 0o000])
def test_the_new_file_has_the_permissions_of_the_old_one(
    tmp_path, alone, mode
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_whole(path, b"new", alone=alone)
    assert mode_of(path) == mode
    path.chmod(0o600)
    assert path.read_bytes() == b"new"


@modes
def test_it_has_them_before_it_has_content(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    path.write_bytes(b"old")
    path.chmod(0o600)
    fchmod = os.fchmod

    def watch(handle, mode):
        found = os.fstat(handle)
        seen.append((stat.S_IMODE(found.st_mode), found.st_size))
        fchmod(handle, mode)

    monkeypatch.setattr(os, "fchmod", watch)
    write_whole(path, b"new")
    assert seen == [(0o600, 0)]


@modes
@both_ways
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_file_without_an_old_one_goes_by_the_umask(tmp_path, alone, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", b"new", alone=alone)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "file") == 0o666 & ~umask


@modes
@pytest.mark.parametrize("left", [0o000, 0o400, 0o666])
def test_what_a_killed_process_left_hands_on_no_permissions(tmp_path, left):
    path, half = tmp_path / "file", tmp_path / "file.partial"
    path.write_bytes(b"old")
    path.chmod(0o600)
    half.write_bytes(b"half")
    # Whoever has it open, as its permissions were, reads nothing of the new.
    with half.open("rb") as reader:
        half.chmod(left)
        write_whole(path, b"new", alone=True)
        assert reader.read() == b"half"
    assert mode_of(path) == 0o600


@modes
def test_a_file_system_without_permissions_is_no_failure(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "there are none here")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o660)
    monkeypatch.setattr(os, "fchmod", refuse)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode_of(path) & ~0o660 == 0


def test_windows_has_none_to_keep(tmp_path, monkeypatch):
    monkeypatch.setattr("packtutor._files._HAS_MODES", False)
    monkeypatch.delattr(os, "fchmod", raising=False)
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        write_whole(path, content)
        assert path.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_pipe_is_written_into(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_whole(path, b"new")
    reader.join()
    assert read == [b"new"]
    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_known_before(tmp_path):
    check_writable(tmp_path / "new")
    check_writable(Path(os.devnull))  # written into, so nothing stands beside
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "no" / "folder"
    with pytest.raises(FileNotFoundError) as caught:
        check_writable(path)
    assert caught.value.filename == str(path)
    assert caught.value.errno == errno.ENOENT
    assert caught.value.strerror == os.strerror(errno.ENOENT)


def test_a_file_that_is_there_does_not_say_that_it_can_be_replaced(
    tmp_path, monkeypatch
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    check_writable(path)

    def fail(**_):
        raise OSError("no number")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(OSError, match="no number"):
        check_writable(path)
    check_writable(Path(os.devnull))


def test_where_a_link_leads_is_where_it_must_be_writable(tmp_path):
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "missing" / "file")
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    with pytest.raises(FileNotFoundError):
        check_writable(link)


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    really = os.open

    def refuse(path, *flags, **mode):
        if Path(path).is_dir():
            raise OSError(errno.EINVAL, "not a folder's business")
        return really(path, *flags, **mode)

    monkeypatch.setattr(os, "open", refuse)
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
