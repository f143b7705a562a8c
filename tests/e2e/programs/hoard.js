// A server that forgets to let go in six places, and in others does not: hoard.work(n) serves n
// requests. Which leaks are on: hoard.js [NAME...], default
// all, 'none' for none.
'use strict';
const { EventEmitter } = require('node:events');

const LEAKS = ['sessions', 'listeners', 'timers', 'callbacks', 'history', 'requests'];
const on = new Set(process.argv.length > 2 ? process.argv.slice(2) : LEAKS);

class SessionRecord {
  constructor(n) {
    this.user = { name: `user ${n}`, roles: ['reader', `team ${n % 50}`] };
    this.seen = [n, n + 1, n + 2, { at: n }];
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
    this.previous = previous;
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
const bus = new EventEmitter().setMaxListeners(0);
const callbacks = [];
const traces = [];
const log = { last: null };
// ---- what does not ----
const pages = new Map(); // bounded, and full soon
const queue = []; // comes and goes
const config = { modes: ['a', 'b'], limits: { pages: 400, queue: 600 } };

const leaks = {
  sessions(n) {
    sessions.set(`session ${n}`, new SessionRecord(n));
  },
  listeners(n) {
    const context = { request: `request ${n}`, marks: [n, {}] };
    bus.on('tick', function onTick() { return context; });
  },
  timers(n) {
    const ticket = { number: n, text: `ticket ${n}` };
    setTimeout(function expire() { return ticket; }, 1 << 30);
  },
  callbacks(n) {
    const answer = { status: 200, body: [`answer ${n}`] };
    callbacks.push(() => answer);
  },
  history(n) {
    log.last = new HistoryEntry(n, log.last);
  },
  requests(n) {
    traces.push(new RequestTrace(n));
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
  const once = () => n;
  bus.once('done', once);
  bus.off('done', once);
}

let served = 0;
globalThis.hoard = {
  work(n) {
    for (const end = served + n; served < end; served++) {
      healthy(served);
      for (const name of on) {
        leaks[name]?.(served);
      }
    }
    return served;
  },
};
globalThis.hoard.work(1500);
process.on('SIGUSR2', () => console.log(`served ${globalThis.hoard.work(1500)}`));
setInterval(() => {}, 1 << 30);
console.log('ready');
