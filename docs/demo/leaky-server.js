// A small web shop that leaks: every visit leaves a Session behind in a map that nobody clears.
//
//   node --inspect=127.0.0.1:9229 --max-old-space-size=96 leaky-server.js
//
// Visitors come by themselves (a timer), so that no client is needed. They stop short of the heap
// limit, so that the demonstration goes on where a real program would die. Runs on Node 18 and later.
'use strict';
const http = require('node:http');
const v8 = require('node:v8');

const VISITS_PER_TICK = 130;
const TICK_MS = 100;
const PAGE_BYTES = 4096;
const FULL = 0.88; // of the old generation's limit: above the shipped rule's 80 %

class Session {
  constructor(id) {
    this.id = id;
    this.started = new Date();
    this.cart = [{ article: id, price: id / 3 }, { article: id + 1, price: id / 7 }];
    this.page = Buffer.alloc(PAGE_BYTES, `<p>Welcome, visitor ${id}</p>`).toString('latin1');
  }
}

const sessions = new Map(); // the leak: set, never deleted

function visit() {
  const session = new Session(sessions.size + 1);
  sessions.set(session.id, session);
  return session;
}

const flag = process.execArgv.map(a => /^--max-old-space-size=(\d+)$/.exec(a)).find(Boolean);
const limit = flag ? Number(flag[1]) * 1024 * 1024 : v8.getHeapStatistics().heap_size_limit;

setInterval(() => {
  if (process.memoryUsage().heapUsed < FULL * limit) {
    for (let i = 0; i < VISITS_PER_TICK; i++) {
      visit();
    }
  }
}, TICK_MS);

http.createServer((request, response) => {
  response.end(`Welcome, visitor ${visit().id}\n`);
}).listen(Number(process.env.PORT || 0), '127.0.0.1', function () {
  console.log(`shop open on http://127.0.0.1:${this.address().port}/`);
});
