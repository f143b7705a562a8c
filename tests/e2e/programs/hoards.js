// Leaks in known places, in what all engines have: hoards.start(NAME...), then hoards.work(n) for n
// requests. A page has those of the DOM besides. Beside them is what every program does and that is
// no leak: caches that are full, queues, timers and listeners that come and go.
'use strict';
globalThis.hoards = (() => {
  class SessionRecord {
    constructor(n) {
      this.user = { name: `user ${n}`, roles: ['reader', `team ${n % 50}`] };
      this.seen = [n, n + 1, { at: n }];
    }
  }
  class RequestTrace {
    constructor(n) {
      this.path = `/order/${n}`;
      this.headers = { host: 'shop', trace: `trace ${n}` };
    }
  }
  class HistoryEntry {
    constructor(n, previous) {
      this.what = `event ${n}`;
      this.detail = { n, text: `detail ${n}` };
      this.previous = previous;
    }
  }
  class FiberNode {
    constructor(n, parent) {
      this.return = parent;
      this.child = null;
      this.sibling = null;
      this.memoizedState = { queue: [`state ${n}`], baseState: { n } };
    }
  }
  class Ticket {
    constructor(n) {
      this.text = [`ticket ${n}`, { n }];
    }
  }
  class ArchivedDay {
    constructor(n) {
      this.samples = new Array(500).fill(n + 0.5); // much memory in few objects
    }
  }
  class CachedPage {
    constructor(n) {
      this.n = n;
      this.body = [`page ${n}`, { n }, `body of page ${n}`];
    }
  }
  class QueuedJob {
    constructor(n) {
      this.n = n;
      this.payload = { job: `job ${n}` };
    }
  }

  // ---- what leaks ----
  const sessions = new Map();
  const callbacks = [];
  const service = { name: 'orders', traces: [] };
  const log = { last: null };
  const bus = { handlers: { tick: [] } };
  const tickets = new Set();
  const fibers = new FiberNode(0, null);
  let lastFiber = null;
  const archive = new Map();
  const removed = []; // elements of a page
  // ---- what does not ----
  const pages = new Map(); // bounded, and full soon
  const queue = []; // comes and goes
  const config = { modes: ['a', 'b'], limits: { pages: 300, queue: 400 } };

  const leaks = {
    sessions(n) {
      sessions.set(`session ${n}`, new SessionRecord(n));
    },
    callbacks(n) {
      const answer = { status: 200, body: [`answer ${n}`] };
      callbacks.push(() => answer);
    },
    requests(n) {
      service.traces.push(new RequestTrace(n));
    },
    history(n) {
      log.last = new HistoryEntry(n, log.last);
    },
    listeners(n) {
      const context = { request: `request ${n}`, marks: [n, {}] };
      bus.handlers.tick.push(function onTick() { return context; });
    },
    tickets(n) {
      tickets.add(new Ticket(n));
    },
    fibers(n) {
      const fiber = new FiberNode(n, fibers);
      if (lastFiber === null) {
        fibers.child = fiber;
      } else {
        lastFiber.sibling = fiber;
      }
      lastFiber = fiber;
    },
    archive(n) {
      archive.set(n, new ArchivedDay(n));
    },
    timers(n) {
      const context = { timer: `timer ${n}`, marks: [n, {}] };
      setTimeout(function expire() { return context; }, 1 << 30);
    },
    // ---- of a page ----
    detached(n) {
      const card = document.createElement('section');
      card.innerHTML = `<b>card ${n}</b><i>${n}</i>`;
      document.body.append(card);
      card.remove();
      removed.push(card);
    },
    clicks(n) {
      const context = { click: `click ${n}`, marks: [n, {}] };
      document.body.addEventListener('click', function onClick() { return context; });
    },
  };

  function healthy(n) {
    pages.set(n, new CachedPage(n));
    if (pages.size > config.limits.pages) {
      pages.delete(pages.keys().next().value);
    }
    queue.push(new QueuedJob(n));
    if (queue.length > config.limits.queue) {
      queue.splice(0, 100);
    }
    clearTimeout(setTimeout(() => n, 1 << 30));
    const once = () => n;
    bus.handlers.tick.push(once);
    bus.handlers.tick.pop();
    if (globalThis.document) {
      const line = document.createElement('p');
      line.textContent = `line ${n}`;
      line.addEventListener('click', once);
      document.body.append(line);
      line.remove();
    }
  }

  let served = 0;
  let on = [];
  return {
    start(...names) {
      on = names;
      return on.length;
    },
    work(n) {
      for (const end = served + n; served < end; served++) {
        healthy(served);
        for (const name of on) {
          leaks[name](served);
        }
      }
      return served;
    },
    leaks: Object.keys(leaks),
  };
})();
