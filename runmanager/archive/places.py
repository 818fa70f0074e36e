"""Stand-in."""

from runmanager.archive.local_place import LocalPlace as Place


def open_place(settings, store):
    p = Place((settings.state_folder / "archive"))
    p.write_marker("x")
    return p
