// work(n) serves n requests, each by leaking(), which is of the program that was loaded besides, and
// by what no program is blamed for: a cache and a ring that are full before the first snapshot, a pool
// that warms until after it, notes that go with their requests, timers that are stopped, one that
// runs, garbage; in a page, elements that come and go.
'use strict';
globalThis.work = (() => {
  class CachedPage {
    constructor(n) {
      this.title = `page ${n}`;
      this.body = [`body of page ${n}`, { n }, { at: n }];
    }
  }
  class RingSlot {
    constructor(n) {
      this.line = `line ${n}`;
      this.place = { n, text: [`slot ${n}`] };
    }
  }
  class PooledConnection {
    constructor() {
      this.busy = false;
      this.buffer = Array.from({ length: 32 }, (_, i) => ({ i }));
    }
  }

  const PAGES = 100;
  const SLOTS = 200;
  const CONNECTIONS = 120;
  const REQUESTS_PER_CONNECTION = 5; // until the pool has all: 600 requests
  const pages = new Map();
  const ring = new Array(SLOTS).fill(null);
  const pool = [];
  const notes = new WeakMap();
  const last = { tick: null, sum: 0 };
  setInterval(() => { last.tick = { at: last.sum }; }, 20);

  function page(n) {
    pages.set(n, new CachedPage(n));
    if (pages.size > PAGES) {
      pages.delete(pages.keys().next().value);
    }
  }

  function connection(n) {
    if (pool.length < CONNECTIONS && n % REQUESTS_PER_CONNECTION === 0) {
      pool.push(new PooledConnection());
    }
    const one = pool[n % pool.length];
    one.busy = !one.busy;
  }

  function request(n) {
    const garbage = { n, parts: [`part ${n}`, { n }] };
    notes.set(garbage, { text: `note ${n}` });
    clearTimeout(setTimeout(() => garbage, 1 << 30));
    last.sum += garbage.parts.length;
  }

  function element(n) {
    const line = document.createElement('p');
    line.textContent = `line ${n}`;
    line.addEventListener('click', () => n);
    document.body.append(line);
    line.remove();
  }

  function healthy(n) {
    page(n);
    ring[n % SLOTS] = new RingSlot(n);
    connection(n);
    request(n);
    if (globalThis.document) {
      element(n);
    }
  }

  let served = 0;
  return (n) => {
    for (const end = served + n; served < end; served++) {
      healthy(served);
      globalThis.leaking(served);
    }
    return served;
  };
})();
