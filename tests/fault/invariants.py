"""What must hold of a storage folder whatever has happened to the daemon, checked from outside.

P1: a capture in ready/ is whole, has its manifest and is what that says. P2: what the daemon has
told anybody to be there is there after a crash, byte for byte, with the list of scripts and the report
that were told of. Besides: halves are gone after a start, nothing is
put into corrupt/, the state file can be read, and no name begins to live or die otherwise."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

TEMPORARY = ".#"
# Of each file of a capture: where a manifest has its sum, where its name, what it is.
FILES = (("sha256", "name", "file"), ("scripts_sha256", "scripts_name", "list of scripts"),
         ("report_sha256", "report_name", "report"))
# Of a spool's settings: vacuum takes the oldest first, as lost() with max_files expects.
NO_KEEP = {"keep_first": False, "keep_last": False, "keep_max": False, "keep_ramp_up": 0}
DIAGNOSTICS = "diagnostics"  # have a limit of their own, which nothing here comes to


@dataclass
class Told:
    """What the daemon has said of one capture."""
    finished: str = ""
    kind: str = ""
    sums: dict = field(default_factory=dict)  # by the manifest's member


def _listed(folder):
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()


class Storage:
    """A storage folder over all the lives of the daemons in it."""

    def __init__(self, path):
        self.path = Path(path)
        self.spool = self.path / "spool"
        self.ready, self.incoming = self.spool / "ready", self.spool / "incoming"
        self.corrupt = self.spool / "corrupt"
        self.acknowledged = {}  # name -> Told
        self.removing = set()  # names somebody asked to remove: may be there or not
        self._sums = {}  # (name, inode, size, mtime) -> sha256

    # ---- what the daemon said ----

    def acknowledge(self, entries):
        """Captures of the API's list: from now on they must not vanish, nor what they have beside
        them. A report comes later than its capture."""
        for entry in entries:
            told = self.acknowledged.setdefault(
                entry["name"], Told(entry.get("finished", ""), entry.get("kind", "")))
            for member, _, _ in FILES:
                if entry.get(member):
                    told.sums.setdefault(member, entry[member])

    def acknowledged_files(self):
        """{what: how many}"""
        return {what: sum(member in told.sums for told in self.acknowledged.values())
                for member, _, what in FILES}

    def begin(self, name):
        """A new capture has this name, which only one that is removed may have had. Problems."""
        taken = name in self.acknowledged and name not in self.removing
        self.acknowledged.pop(name, None)
        self.removing.discard(name)
        return [f"{name} was acknowledged and is another capture now"] if taken else []

    def let_go(self, name):
        """Somebody asks for its removal."""
        self.removing.add(name)

    # ---- what is on the disk ----

    def _sum(self, name):
        stat = (self.ready / name).stat()
        key = (name, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if key not in self._sums:
            with open(self.ready / name, "rb") as file:
                self._sums[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return stat.st_size, self._sums[key]

    def _file_problems(self, name, size, digest):
        try:
            found = self._sum(name)
        except FileNotFoundError:
            return [f"{name} is not there"]
        if found != (size, digest):
            return [f"{name} has {found[0]} bytes, {found[1]}; its manifest says {size}, {digest}"]
        return []

    def _manifest(self, name):
        return json.loads((self.ready / (name + ".json")).read_text())

    @staticmethod
    def _companions(captures):
        """Names of the lists of scripts and the reports that these manifests tell of."""
        return {m.get(key) for m in captures.values()
                for key in ("scripts_name", "report_name")} - {None, ""}

    def captures(self, names=None):
        """{name: manifest} of the manifests in ready/ whose capture is there."""
        names = _listed(self.ready) if names is None else names
        found = {}
        for name in names:
            if name + ".json" in names and not name.startswith(TEMPORARY):
                found[name] = self._manifest(name)
        return found

    def whole(self):
        """P1, at any moment when no daemon runs: problems as texts."""
        problems, names = [], _listed(self.ready)
        captures = self.captures(names)
        companions = self._companions(captures)
        for name, manifest in captures.items():
            if manifest["name"] != name:
                problems.append(f"the manifest of {name} is of {manifest['name']}")
            problems += self._file_problems(name, manifest["file_bytes"], manifest["sha256"])
            if manifest.get("scripts_name"):
                problems += self._file_problems(manifest["scripts_name"], manifest["scripts_bytes"],
                                                manifest["scripts_sha256"])
            if manifest.get("report_name"):
                problems += self._file_problems(manifest["report_name"], manifest["report_bytes"],
                                                manifest["report_sha256"])
        for name in names - set(captures) - companions:
            if not name.startswith(TEMPORARY) and ".json" not in name:
                problems.append(f"{name} is in ready/ without a manifest")
        return problems

    def halves(self):
        """What a daemon that ended left unfinished, {path: identity}; none of it may outlive the next
        start."""
        names = _listed(self.ready)
        captures = self.captures(names)
        known = (set(captures) | {name + ".json" for name in captures}
                 | self._companions(captures))
        paths = [f"incoming/{name}" for name in _listed(self.incoming)]
        paths += [f"ready/{name}" for name in names - known]
        return {path: identity for path in paths if (identity := self._identity(path))}

    def _identity(self, path):
        try:
            stat = (self.spool / path).lstat()
            return stat.st_ino, stat.st_ctime_ns
        except FileNotFoundError:
            return None

    def _gone(self):
        present = set(self.captures())
        return [name for name in self.acknowledged
                if name not in present and name not in self.removing]

    def _lost(self, max_files):
        """P2: of what was acknowledged, what is neither there nor removed by request. With max_files
        the oldest may have been vacuumed, as long as so many are left; no diagnostics."""
        gone = self._gone()
        if not gone or not max_files:
            return gone
        counted = [name for name, manifest in self.captures().items()
                   if manifest["kind"] != DIAGNOSTICS]
        kept = [self.acknowledged[name] for name in counted if name in self.acknowledged]
        oldest_kept = min((told.finished for told in kept), default="")
        if len(counted) < max_files - 1:
            return gone
        return [name for name in gone if self.acknowledged[name].kind == DIAGNOSTICS
                or self.acknowledged[name].finished > oldest_kept]

    def lost(self, max_files=0):
        """P2, at any moment when nothing is being removed: problems as texts, each told once."""
        problems = [f"{name} was acknowledged and is lost" for name in self._lost(max_files)]
        for name in self._gone():
            del self.acknowledged[name]
        return problems

    def unlisted(self, listed):
        """What is there of the acknowledged but not among the captures that the daemon lists."""
        names = {entry["name"] for entry in listed}
        return [f"{name} is in ready/ and not listed" for name in self.acknowledged
                if name not in names and (self.ready / name).exists()]

    def _file_changed(self, manifest, member, name_member, told):
        """None, or what has become of it."""
        name = manifest.get(name_member)
        if not name:
            return "and the manifest tells of none"
        try:
            _, digest = self._sum(name)
        except FileNotFoundError:
            # Vacuum may be at work, which takes the capture itself first.
            return f"and {name} is not there" if (self.ready / manifest["name"]).exists() else None
        if digest != told:
            return f"with {told}; now it has {digest}"
        return None

    def changed(self):
        """P2: what is there of the acknowledged but has other bytes, or lost what was beside it."""
        problems = []
        for name, manifest in self.captures().items():
            told = self.acknowledged.get(name, Told())
            for member, name_member, what in FILES:
                if member in told.sums and \
                        (how := self._file_changed(manifest, member, name_member, told.sums[member])):
                    problems.append(f"{name}: its {what} was acknowledged {how}")
        return problems

    def _state_problems(self):
        path = self.path / "state" / "state.json"
        if not path.exists():
            return []
        try:
            json.loads(path.read_text())
        except ValueError as error:
            return [f"state.json: {error}"]
        return []

    def after_kill(self):
        """Nothing runs here now. Problems, and the halves that the next start has to sweep."""
        return self.whole() + self.changed() + self._state_problems(), self.halves()

    def after_start(self, halves, listed, max_files=0):
        """A daemon has started on what after_kill() saw and lists these captures."""
        problems = [f"{half} outlived the start" for half, identity in halves.items()
                    if self._identity(half) == identity]
        problems += [f"corrupt/{name}" for name in _listed(self.corrupt)]
        problems += self._state_problems()
        if (self.path / "state" / "state.json.bad").exists():
            problems.append("the state was set aside")
        problems += self.changed() + self.unlisted(listed)
        return problems + self.lost(max_files)
