"""The rules that the campaigns hold a storage against do notice what is lost: each thing here is done
to a spool on purpose, a program with the daemon's own code starts on it, and its rule must complain."""

import json

import pytest

import snapshots
from invariants import Storage


class Spool:
    """One capture with its list of scripts and its report, all acknowledged."""

    def __init__(self, run, storage, path):
        self._run, self.storage = run, storage
        answers = run(f"open\npair {path} none 0\nreport\nclose\n")
        assert [answer.split()[0] for answer in answers] == ["ok", "ready", "reported", "ok"]
        (self.name, manifest), = storage.captures().items()
        self.scripts, self.report = manifest["scripts_name"], manifest["report_name"]
        storage.acknowledge([manifest])

    def vanish(self):
        """With all that is beside it."""
        for name in (self.name, self.name + ".json", self.scripts, self.report):
            self.path(name).unlink()

    def path(self, name):
        return self.storage.ready / name

    def change(self, name, **members):
        """Another first byte of that file; of the manifest, these members."""
        path = self.path(name)
        path.write_bytes(b"x" + path.read_bytes()[1:])
        manifest = json.loads(self.path(self.name + ".json").read_text())
        self.path(self.name + ".json").write_text(json.dumps(dict(manifest, **members)))

    def problems(self):
        """After the next start."""
        before, halves = self.storage.after_kill()
        self._run("open\nclose\n")
        return before + self.storage.after_start(halves, [{"name": self.name}])


@pytest.fixture
def spool(tmp_path, dice, drive):
    storage = Storage(tmp_path / "storage")
    storage.path.mkdir()
    return Spool(lambda text: drive(storage.spool, text), storage,
                 snapshots.write(tmp_path / "snapshot", 20000, dice))


def test_nothing_lost(spool):
    assert spool.problems() == []
    assert spool.storage.acknowledged_files() == {"file": 1, "list of scripts": 1, "report": 1}


@pytest.mark.parametrize("what", ["scripts", "report"])
def test_lost_companion(spool, what):
    """The daemon keeps the capture and writes its manifest anew, so that all in ready/ agrees."""
    spool.path(getattr(spool, what)).unlink()
    words = {"scripts": "list of scripts", "report": "report"}[what]
    told = f"{spool.name}: its {words} was acknowledged and the manifest tells of none"
    assert told in spool.problems()
    assert spool.storage.whole() == []


@pytest.mark.parametrize("what, member", [("name", "sha256"), ("scripts", "scripts_sha256"),
                                          ("report", "report_sha256")])
def test_other_bytes(spool, what, member):
    """Also when the manifest says so."""
    spool.change(getattr(spool, what), **{member: "0" * 64})
    assert any("was acknowledged with" in problem for problem in spool.problems())


def test_lost_capture(spool):
    spool.path(spool.name).unlink()
    assert f"{spool.name} was acknowledged and is lost" in spool.problems()


def test_vanished_capture(spool):
    """All that is left agrees, also with what the daemon lists."""
    told = [f"{spool.name} was acknowledged and is lost"]
    spool.vanish()
    assert spool.storage.whole() + spool.storage.changed() + spool.storage.unlisted([]) == []
    assert spool.storage.lost() == told
    assert spool.storage.lost() == []  # it has been told


@pytest.mark.parametrize("index, kind, left, lost", [
    (0, "snapshot", 2, False),  # the oldest, as vacuum does it
    (1, "snapshot", 2, True),
    (0, "snapshot", 1, True),  # so few that vacuum was not it
    (0, "diagnostics", 2, True),
], ids=["oldest", "other", "few", "diagnostics"])
def test_vanished_or_vacuumed(tmp_path, index, kind, left, lost):
    """What the limit of two allows, and nothing else."""
    storage = Storage(tmp_path)
    storage.ready.mkdir(parents=True)
    entries = [{"name": f"capture{i}", "finished": f"{i}", "kind": "snapshot"}
               for i in range(left + 1)]
    entries[index]["kind"] = kind
    storage.acknowledge(entries)
    for entry in entries[:index] + entries[index + 1:]:
        (storage.ready / entry["name"]).touch()
        (storage.ready / (entry["name"] + ".json")).write_text(json.dumps(entry))
    name = entries[index]["name"]
    assert storage.lost(max_files=3 if left == 1 else 2) == \
        ([f"{name} was acknowledged and is lost"] if lost else [])
