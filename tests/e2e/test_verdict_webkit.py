"""The daemon's verdict on pages of WebKit that leak: WPE, whose snapshots tell what a map holds, and
WebKitGTK, whose do not; of two browsers one daemon takes a series by itself."""

from lab import hoards, webkit
from lab.verdicts import alert_of, configuration, report_of, series_of, wait_verdict

# class, the holder's class, what leads to it, what has room for it where nothing leads there
ENGINES = {
    "wpe": (webkit.WPE, "SessionRecord", "Map", "sessions", None),
    "gtk": (webkit.GTK, "SessionRecord", None, None, 'Map "sessions"'),
}
RUN = hoards.SCRIPT.read_text() + \
    "; hoards.start('sessions'); setInterval(() => hoards.work(40), 100); 1"


def test_a_map_that_grows_is_named(nursery, start_daemon, tmp_path):
    pages = {}
    for engine, (path, *_) in ENGINES.items():
        pages[engine] = webkit.Browser(nursery, tmp_path / engine, path)
        pages[engine].site.run(RUN)
    daemon = start_daemon(configuration(
        tmp_path, {engine: page.address for engine, page in pages.items()}))
    for engine, (_, class_, holder, held_as, may_be_held_by) in ENGINES.items():
        text = wait_verdict(daemon, engine)
        leaks = report_of(daemon, series_of(daemon, engine)[-1])["leaks"]
        assert (leaks["verdict"], leaks["text"]) == ("leak", text), (engine, text)
        first = leaks["suspects"][0]
        assert class_ in first["class"] and class_ in text, (engine, text)
        if holder:
            assert (first["holder_name"], first["held_as"]) == (holder, held_as), (engine, text)
        assert first["may_be_held_by"] == may_be_held_by, (engine, leaks["suspects"])
        assert alert_of(daemon, engine)["annotations"]["verdict"] == text
        assert daemon.value("heapwatch_leak_verdict", target=engine) == 1
