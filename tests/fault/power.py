"""What a loss of power leaves of a folder: of all that was done to it, as the shim has written it down,
only what was synced is sure. Names reach the disk in the order in which they were given, as journals
keep them, and may do so before what is in the files."""

import os
import shutil
from dataclasses import dataclass

FOLDERS = ("spool/incoming", "spool/ready", "spool/corrupt", "state")
VARIANTS = ("nothing", "names", "contents", "some")


@dataclass
class Act:
    what: str
    path: str
    to: str
    data: bytes
    end: int  # of its record in the log


def read(log):
    """[Act], in the order in which they were done."""
    acts, at = [], 0
    text = log.read_bytes()
    while at < len(text):
        line_end = text.index(b"\n", at) + 1
        what, path, to, size = text[at:line_end - 1].decode().split("\t")
        at = line_end + int(size)
        acts.append(Act(what, path, to, text[line_end:at], at))
    return acts


class Disk:
    """A folder of the daemon's after some acts. A file is a number, so that renames keep it."""

    def __init__(self, folder, acts):
        self.folder = os.fspath(folder)
        self.names, self.durable, self.pending = {}, {}, []
        self.contents, self.synced = [], []
        for act in acts:
            getattr(self, "_" + act.what)(act)

    def _open(self, act):
        pass

    def _name(self, act):
        """How it gets into a folder, or out of it."""
        file = self.names.get(act.path)
        self.pending.append((act, file))
        self._apply(self.names, act, file)

    @staticmethod
    def _apply(names, act, file):
        if act.what == "create":
            names[act.path] = file
        else:
            names.pop(act.path, None)
        if act.what == "rename":
            names[act.to] = file

    def _create(self, act):
        if act.path not in self.names:
            self.names[act.path] = len(self.contents)
            self.contents.append(b"")
            self.synced.append(b"")
            self._name(act)

    _rename = _unlink = _name

    def _write(self, act):
        self.contents[self.names[act.path]] += act.data

    def _sync(self, act):
        if act.path in self.names:
            file = self.names[act.path]
            self.synced[file] = self.contents[file]
            return
        for change in [c for c in self.pending
                       if os.path.dirname(c[0].to or c[0].path) == act.path]:
            self.pending.remove(change)
            self._apply(self.durable, *change)
        # What has left for another folder is gone from here; not so sure is that it is there.
        for change, _ in self.pending:
            if os.path.dirname(change.path) == act.path:
                self.durable.pop(change.path, None)

    def lose(self, variant, dice):
        """{path: bytes} of what is there when the power is back."""
        kept = {"nothing": 0, "contents": 0, "names": len(self.pending),
                "some": dice.randint(0, len(self.pending))}[variant]
        names = dict(self.durable)
        for change in self.pending[:kept]:
            self._apply(names, *change)
        return {path: self._bytes(file, variant, dice) for path, file in names.items()}

    def _bytes(self, file, variant, dice):
        if variant == "contents" or (variant == "some" and dice.random() < 0.5):
            return self.contents[file]
        return self.synced[file]

    def write(self, files):
        shutil.rmtree(self.folder)
        for name in FOLDERS:
            os.makedirs(os.path.join(self.folder, name))
        for path, data in files.items():
            with open(path, "wb") as file:
                file.write(data)
