"""Every runtime there is a name for in the configuration, as the address of one that was started."""

from . import node, webkit
from .bun import Bun
from .chromium import Chromium
from .deno import Deno
from .firefox import Firefox
from .workerd import Workerd

NAMES = ("node", "deno", "workerd", "chromium", "bun", "webkit", "safari", "firefox")


def start(name, nursery, home, site):
    """Its address; `site` is what a browser shows."""
    if name == "node":
        return node.Node(nursery, 26, "idle").address
    if name == "deno":
        return Deno(nursery, home, "100").address
    if name == "workerd":
        return Workerd(nursery, home).address
    if name == "chromium":
        return Chromium(nursery, home, site.url + "page.html").address
    if name == "bun":
        return Bun(nursery, "100").address
    if name == "firefox":
        return Firefox(nursery, home).address
    browser = webkit.Browser(nursery, home)
    return webkit.Proxy(browser.port).address if name == "safari" else browser.address
