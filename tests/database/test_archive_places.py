"""The archive's places: each does the same, whole or not at all, and says whose it is."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
import sqlalchemy as sa
from fsspec.registry import _registry

from runmanager.archive import local_place
from runmanager.archive.marker import MARKER
from runmanager.archive.places import LocalPlace, ObjectPlace, StorePlace, open_place
from runmanager.errors import ArchiveError, FileMissingError, StartError, StoreError
from runmanager.store import files
from runmanager.store.tables import FILES
from tests import stores
from tests.archives import (
    Killed,
    KilledError,
    mounted,
    remount_read_only,
    settings,
    tree,
)
from tests.conftest import every_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runmanager.archive.marker import Place
    from runmanager.store import Store

MANY = b"".join(b"%09d\n" % n for n in range(350_000))


@pytest.fixture(params=["local", "s3", "store"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What RUNMANAGER_ARCHIVE says, for each kind of place."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    return "off" if request.param == "store" else str(tmp_path / "kept" / "archive")


@pytest.fixture
def place(named: str, store: Store, tmp_path: Path) -> Place:
    return open_place(settings(named), store, tmp_path)


@pytest.fixture
def local(store: Store, tmp_path: Path) -> LocalPlace:
    found = open_place(settings(""), store, tmp_path)
    assert isinstance(found, LocalPlace)
    return found


def test_what_is_written_is_there_whole_and_under_its_name(place: Place) -> None:
    folder = place.folder("op-1")
    assert folder.names() == ()
    folder.write("b.json", b"{}")
    folder.write("a.json", b"")
    with folder.writing("c.zst") as file:
        for start in range(0, len(MANY), 700_000):
            file.write(MANY[start : start + 700_000])
        assert folder.names() == ("a.json", "b.json")
    assert place.folder("op-1").names() == ("a.json", "b.json", "c.zst")
    assert [folder.read(name) for name in folder.names()] == [b"", b"{}", MANY]
    assert place.size("op-1") == 2 + len(MANY)
    assert place.folder("op-2").names() == ()


def test_a_file_is_read_in_pieces_to_its_end(place: Place) -> None:
    folder = place.folder("op-1")
    folder.write("c.zst", MANY)
    with folder.reading("c.zst") as file:
        assert file.read(10) == MANY[:10]
        pieces = []
        while piece := file.read(300_000):
            pieces.append(piece)
        assert b"".join(pieces) == MANY[10:]
        assert max(map(len, pieces)) == 300_000
        assert file.read() == b""
    with folder.reading("c.zst") as file:
        file.read(5)
        assert file.read() == MANY[5:]


def test_a_file_is_replaced_at_the_end_and_kept_where_that_is_not_come_to(place: Place) -> None:
    folder = place.folder("op-1")
    folder.write("a", b"old")
    with pytest.raises(RuntimeError), folder.writing("a") as file:  # noqa: PT012
        file.write(MANY)
        raise RuntimeError
    assert folder.read("a") == b"old"
    assert folder.names() == ("a",)
    with folder.writing("a") as file:
        file.write(b"new")
        assert folder.read("a") == b"old"
    assert folder.read("a") == b"new"
    folder.write("a", b"newer")
    assert folder.read("a") == b"newer"
    with folder.writing("empty"):
        pass
    assert folder.read("empty") == b""


def test_what_is_removed_is_gone_and_nothing_else(place: Place) -> None:
    one, other = place.folder("op-1"), place.folder("op-12")
    for folder in (one, other):
        folder.write("a", b"1")
        folder.write("b", b"2")
    one.remove(["a", "never"])
    place.folder("op-3").remove(["never"])
    assert (one.names(), other.names()) == (("b",), ("a", "b"))
    place.remove("op-1")
    place.remove("op-1")
    assert (one.names(), other.names()) == ((), ("a", "b"))
    assert place.size("op-1") == 0
    one.write("a", b"3")
    assert one.read("a") == b"3"


def test_a_file_that_is_not_there_is_said_to_be_missing(place: Place) -> None:
    folder = place.folder("op-1")
    with pytest.raises(FileMissingError, match="000001"):
        folder.read("000001.sql.zst")
    folder.write("a", b"")
    with pytest.raises(FileMissingError, match="000001"), folder.reading("000001.sql.zst"):
        pass


def test_no_id_leads_out_of_the_place(place: Place) -> None:
    for operation_id in ("", "..", "a/b", ".hidden", "a b", "x" * 101):
        for use in (place.folder, place.size, place.remove):
            with pytest.raises(ArchiveError, match="no operation of this id"):
                use(operation_id)


def test_another_instance_sees_what_was_written(named: str, store: Store, tmp_path: Path) -> None:
    one, other = (open_place(settings(named), store, tmp_path) for _turn in range(2))
    assert other.folder("op-1").names() == ()
    one.folder("op-1").write("a", b"1")
    assert other.folder("op-1").names() == ("a",)
    other.folder("op-1").write("a", b"2")
    assert one.folder("op-1").read("a") == b"2"


def test_what_is_free_is_known_of_a_disk(named: str, place: Place) -> None:
    free = place.free()
    assert (free is not None and free > 0) == (named not in {"off"} and "://" not in named)


# Whose it is.


@every_store
def test_the_first_to_open_a_place_marks_it_and_others_find_that(
    store_place: stores.StorePlace, tmp_path: Path
) -> None:
    store, again = store_place.open(), store_place.open()
    where = settings(str(tmp_path / "there"))
    open_place(where, store, tmp_path)
    marker = (tmp_path / "there" / MARKER).read_text()
    assert len(marker) == 33
    open_place(where, again, tmp_path)
    assert (tmp_path / "there" / MARKER).read_text() == marker
    store.close()
    again.close()


@pytest.mark.parametrize("named", ["local", "s3"], indirect=True)
def test_a_place_of_another_store_stops_the_start(named: str, store: Store, tmp_path: Path) -> None:
    open_place(settings(named), store, tmp_path)
    other = stores.StorePlace(tmp_path / "other", None).open()
    with pytest.raises(StartError, match="belongs to another Run Manager's store"):
        open_place(settings(named), other, tmp_path)
    other.close()


def test_a_store_that_knows_its_place_takes_no_other(store: Store, tmp_path: Path) -> None:
    open_place(settings(str(tmp_path / "one")), store, tmp_path)
    with pytest.raises(StartError, match="not the one that this Run Manager has used"):
        open_place(settings(str(tmp_path / "two")), store, tmp_path)
    assert not (tmp_path / "two").exists()
    (tmp_path / "one").rename(tmp_path / "two")
    open_place(settings(str(tmp_path / "two")), store, tmp_path)


def test_a_start_that_was_cut_off_before_the_marker_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    while True:
        killed = Killed(steps)
        with monkeypatch.context() as patch:
            patch.setattr(local_place, "os", killed)
            try:
                open_place(settings(""), store, tmp_path)
            except KilledError:
                steps += 1
                continue
        break
    assert steps > 5
    assert isinstance(open_place(settings(""), store, tmp_path), LocalPlace)


def test_with_the_archive_off_files_are_in_the_store(store: Store, tmp_path: Path) -> None:
    assert isinstance(open_place(settings("off"), store, tmp_path), StorePlace)
    assert list(tmp_path.glob("archive")) == []


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("s3://bucket/x", "s3fs is not installed"),
        ("gs://bucket/x", "fsspec's driver for gs is not installed"),
        ("ftq://bucket/x", "of a kind that is not known"),
    ],
)
def test_an_object_store_without_its_driver_stops_the_start(
    named: str, sentence: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(StartError, match=sentence) as raised:
        open_place(settings(named), store, tmp_path)
    assert raised.value.message.startswith("Cannot start: ")


def test_a_bucket_that_is_not_there_stops_the_start(
    bucket: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(StartError, match="not there"):
        open_place(settings("s3://no-such-bucket-at-all/x"), store, tmp_path)


# What goes wrong with an object store.


def test_a_bucket_that_is_gone_is_not_one_without_files(bucket: str) -> None:
    gone = ObjectPlace(bucket.replace("bucket-", "gone-"))
    for use in (
        lambda: gone.folder("op").names(),
        lambda: gone.folder("op").write("a", b""),
        lambda: gone.remove("op"),
        lambda: gone.size("op"),
    ):
        with pytest.raises(ArchiveError, match="not there, or another is in its place"):
            use()


def test_a_store_that_does_not_answer_is_one_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    away = ObjectPlace(bucket)
    for use in (lambda: away.folder("op").names(), lambda: away.folder("op").write("a", b"")):
        with pytest.raises(ArchiveError, match="cannot be reached"):
            use()


def test_half_an_object_is_not_taken_for_it(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ObjectPlace(bucket)
    put_half = place._system.put_file

    def put(lpath: str, rpath: str) -> None:
        os.truncate(lpath, 2)
        put_half(lpath, rpath)

    monkeypatch.setattr(place._system, "put_file", put)
    with (
        pytest.raises(ArchiveError, match="has 2 bytes of a file of 5"),
        place.folder("op").writing("a") as file,
    ):
        file.write(b"12345")


def refuse_removing(bucket: str) -> None:
    """Let the bucket keep every object, as one with a policy does."""
    name = bucket.removeprefix("s3://").partition("/")[0]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:DeleteObject",
                "Resource": f"arn:aws:s3:::{name}/*",
            }
        ],
    }
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.call_s3("put_bucket_policy", Bucket=name, Policy=json.dumps(policy))


def test_what_an_object_store_refuses_to_remove_is_not_said_to_be_gone(
    bucket: str, store: Store, tmp_path: Path
) -> None:
    place = open_place(settings(bucket), store, tmp_path)
    folder = place.folder("op")
    for name in ("a", "b"):
        folder.write(name, b"1")
    refuse_removing(bucket)
    with pytest.raises(ArchiveError, match=r"has not removed 2 files .* right to delete"):
        folder.remove(["a", "b", "c"])
    with pytest.raises(ArchiveError, match="has not removed 2 files"):
        place.remove("op")
    assert folder.names() == ("a", "b")


def begin(place: Place, operation_id: str, name: str, store: Store, tmp_path: Path) -> None:
    """Leave half of a file, as a process does that is killed while it writes."""
    half = f".{name}.{uuid.uuid4().hex[:8]}"
    if isinstance(place, ObjectPlace):
        bucket, _slash, key = place._path.partition("/")
        call = place._system.call_s3  # type: ignore[attr-defined]
        where = {"Bucket": bucket, "Key": f"{key}/{operation_id}/{name}"}
        upload = call("create_multipart_upload", **where)["UploadId"]
        call("upload_part", **where, UploadId=upload, PartNumber=1, Body=b"1" * 10)
    elif isinstance(place, LocalPlace):
        folder = tmp_path / "kept" / "archive" / operation_id
        folder.mkdir(exist_ok=True)
        (folder / half).write_bytes(b"1")
    else:
        with store.write() as connection:
            files.add_part(connection, operation_id, half, 0, b"1")


def half_written(place: Place, store: Store, tmp_path: Path) -> int:
    """How many half written files there are of any operation."""
    if isinstance(place, ObjectPlace):
        bucket = place._path.partition("/")[0]
        call = place._system.call_s3  # type: ignore[attr-defined]
        return len(call("list_multipart_uploads", Bucket=bucket).get("Uploads", ()))
    if isinstance(place, LocalPlace):
        found = (tmp_path / "kept" / "archive").glob("*/.*")
        return len(list(found))
    with store.read() as connection:
        names = sa.select(FILES.c.name).where(FILES.c.name.startswith("."), FILES.c.part == 0)
        return len(connection.execute(names).all())


def test_half_a_file_that_a_kill_left_is_removed_and_nothing_else(
    place: Place, store: Store, tmp_path: Path
) -> None:
    folder = place.folder("op-1")
    folder.remove_half_written()
    folder.write("000001.json", b"1")
    for operation in ("op-1", "op-1", "op-12"):
        begin(place, operation, "000002.sql.zst", store, tmp_path)
    assert half_written(place, store, tmp_path) == 3
    folder.remove_half_written()
    assert half_written(place, store, tmp_path) == 1
    assert folder.read("000001.json") == b"1"
    begin(place, "op-1", "000003.sql.zst", store, tmp_path)
    place.remove("op-1")
    assert half_written(place, store, tmp_path) == 1


def test_no_file_with_rows_is_left_beside_an_object_store(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ObjectPlace(bucket).folder("op").writing("a") as file:
        file.write(b"1" * 100)
        assert os.listdir(tmp_path) == []  # noqa: PTH208


# What goes wrong with a disk.


def test_nobody_else_may_read_what_is_in_a_folder(local: LocalPlace, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        local.folder("op-1").write("a", b"1")
        with local.folder("op-1").writing("b") as file:
            file.write(b"2")
    finally:
        os.umask(mask)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "archive").rglob("*")
        if path.name != MARKER
    }
    assert modes == {"op-1": 0o700, "a": 0o600, "b": 0o600}
    assert stat.S_IMODE((tmp_path / "archive").stat().st_mode) == 0o700


def test_a_file_is_on_the_disk_before_it_has_its_name_and_so_is_the_name(
    local: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.folder("op").write("before", b"")
    steps = Killed().steps
    watched = Killed()
    watched.steps = steps
    monkeypatch.setattr(local_place, "os", watched)
    local.folder("op").write("a", b"1")
    assert steps == ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]


def in_place(system: Any, folder: Path, name: str) -> None:
    """A file written where it is to be, as it should not be."""
    descriptor = system.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    system.write(descriptor, b"new")
    system.fsync(descriptor)
    system.close(descriptor)


def states_after_a_kill(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, is_careful: bool
) -> list[bytes]:
    """What a file holds after the process was killed at each step of writing it anew."""
    place = LocalPlace(path)
    place.write_marker("x")
    found = []
    for at in range(50):
        place.folder("op").write("a", b"old")
        with monkeypatch.context() as patch:
            killed = Killed(at)
            patch.setattr(local_place, "os", killed)
            try:
                if is_careful:
                    place.folder("op").write("a", b"new")
                else:
                    in_place(killed, path / "op", "a")
            except KilledError:
                found.append(place.folder("op").read("a"))
                assert place.folder("op").names() == ("a",)
                continue
        break
    return found


def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = states_after_a_kill(tmp_path / "kept", monkeypatch, is_careful=True)
    assert len(found) == 8
    assert found == sorted(found, reverse=True)  # "old", and from one step on "new"
    assert set(found) == {b"old", b"new"}


def test_the_kills_show_what_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = states_after_a_kill(tmp_path / "kept", monkeypatch, is_careful=False)
    assert b"" in found


def test_a_kill_at_any_step_of_removing_takes_files_away_and_no_others(
    local: LocalPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.folder("op-2").write("a", b"1")
    for at in range(50):
        for name in ("a", "b", "c"):
            local.folder("op-1").write(name, b"1")
        with monkeypatch.context() as patch:
            patch.setattr(local_place, "os", Killed(at))
            try:
                local.remove("op-1")
            except KilledError:
                assert local.folder("op-2").names() == ("a",)
                continue
        break
    assert at > 4
    assert tree(tmp_path / "archive") == {"op-2/a": b"1"}


def test_half_a_file_that_a_kill_left_is_not_seen_and_goes_with_the_rest(
    local: LocalPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(local_place, "os", Killed(6))
        with pytest.raises(KilledError):
            local.folder("op-1").write("a", b"1")
    assert len(os.listdir(tmp_path / "archive" / "op-1")) == 1  # noqa: PTH208
    assert (local.folder("op-1").names(), local.size("op-1")) == ((), 0)
    local.remove("op-1")
    assert not (tmp_path / "archive" / "op-1").exists()


def test_a_full_disk_is_one_sentence_and_keeps_what_it_had(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk"):
        place = LocalPlace(tmp_path / "disk" / "archive")
        place.write_marker("x")
        place.folder("op").write("a", b"old")
        before = place.free()
        with pytest.raises(ArchiveError, match="full, and nothing was written") as raised:
            place.folder("op").write("a", MANY)
        assert str(tmp_path) not in raised.value.message
        assert place.folder("op").read("a") == b"old"
        assert place.free() == before
        assert before is not None
        assert before <= 1 << 20


def test_a_disk_that_is_read_only_is_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk):
        place = LocalPlace(disk)
        place.write_marker("x")
        place.folder("op").write("a", b"old")
        remount_read_only(disk)
        uses: tuple[Callable[[], object], ...] = (
            lambda: place.folder("op").write("a", b"new"),
            lambda: place.folder("op").remove(["a"]),
            lambda: place.remove("op"),
        )
        for use in uses:
            with pytest.raises(ArchiveError, match="mounted read-only"):
                use()
        assert place.folder("op").read("a") == b"old"


def test_a_disk_that_is_not_mounted_is_not_an_archive_without_files(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    place = LocalPlace(disk)
    with mounted(disk):
        place.write_marker("x")
        place.folder("op").write("a", b"old")
    for use in (
        lambda: place.folder("op").names(),
        lambda: place.folder("op").read("a"),
        lambda: place.folder("op").write("a", b"new"),
        lambda: place.folder("new").write("a", b"new"),
        lambda: place.folder("op").remove(["a"]),
        lambda: place.remove("op"),
        lambda: place.size("op"),
    ):
        with pytest.raises(ArchiveError, match="mount its disk again"):
            use()
    assert list(disk.iterdir()) == []


def test_a_place_that_is_gone_is_one_sentence(local: LocalPlace, tmp_path: Path) -> None:
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    for use in (lambda: local.folder("op").write("a", b""), local.free):
        with pytest.raises(ArchiveError, match="is not there"):
            use()


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "may not be written"),
        (errno.EDQUOT, "is full"),
        (errno.EIO, "on a disk that could not be read or written"),
        (errno.ELOOP, "could not be used"),
    ],
)
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_whatever_the_system_refuses_leaves_the_old_file(
    number: int,
    sentence: str,
    step: str,
    local: LocalPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local.folder("op").write("a", b"old")

    def refuse(*_values: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refuse)
        with pytest.raises(ArchiveError, match=sentence):
            local.folder("op").write("a", b"new")
    assert local.folder("op").read("a") == b"old"
    assert len(list((tmp_path / "archive" / "op").iterdir())) == 1


def test_who_may_not_write_there_is_told_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another")
    folder = tmp_path / "kept"
    place = LocalPlace(folder)
    place.write_marker("x")
    child = os.fork()
    if child == 0:
        try:
            os.chmod(tmp_path, 0o755)  # noqa: PTH101, S103
            os.setuid(65534)
            place.folder("op").write("a", b"1")
        except ArchiveError as error:
            os._exit(0 if "may not be written" in error.message else 2)
        except BaseException:  # noqa: BLE001
            os._exit(3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_that_is_away_is_no_error_of_the_archive_and_passes(
    store: Store, store_place: stores.StorePlace
) -> None:
    place = StorePlace(store)
    place.folder("op").write("a", b"1")
    store.close()
    store_place.file.unlink()
    for use in (
        lambda: place.folder("op").names(),
        lambda: place.folder("op").read("a"),
        lambda: place.folder("op").write("a", b""),
        lambda: place.remove("op"),
    ):
        with pytest.raises(StoreError, match="Run Manager's store cannot be opened"):
            use()
