"""All numbers that the analyser and DevTools have of a snapshot, so that they can be compared."""

from .ctl import Ctl


def analyze(path, *flags):
    return Ctl().json("analyze", path, "--json=short", "--top=0", *flags)


def rows(report):
    return {c["key"]: [c["count"], c["self_bytes"], c["retained_bytes"], c["distance"]]
            for c in report["classes"]}


def differences(before, after, *flags):
    """As devtools_report()["diff"]."""
    found = Ctl().json("diff", before, after, "--json=short", "--top=0", *flags)
    return {c["key"]: [c["added"], c["removed"], c["added_bytes"], c["removed_bytes"]]
            for c in found["classes"]}


def statistics(report):
    s = report["statistics"]
    return [s[name + "_bytes"] for name in ("total", "native", "typed_array", "code", "js_array",
                                            "string", "system")]


def devtools_statistics(report):
    s, v8 = report["statistics"], report["statistics"]["v8heap"]
    return [s["total"], s["native"]["total"], s["native"]["typedArrays"], v8["code"],
            v8["jsArrays"], v8["strings"], v8["system"]]


def check(found, wanted):
    """What analyze() found is what readers.devtools_report() did."""
    assert found["digest"] == wanted["digest"]
    assert rows(found) == wanted["classes"]
    assert statistics(found) == devtools_statistics(wanted)
