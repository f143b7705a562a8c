// A cache that warms up: warming.js LIMIT STEP [MS] puts STEP pages more into it, which holds LIMIT
// of them, with each SIGUSR2, or each MS milliseconds.
'use strict';
class CachedPage {
  constructor(n) {
    this.n = n;
    this.body = [`page ${n}`, { n }, new Array(20).fill(n + 0.5)];
  }
}
const [limit, step, ms] = process.argv.slice(2).map(Number);
const pages = new Map();
let served = 0;
function serve() {
  for (const end = served + step; served < end; served++) {
    pages.set(served, new CachedPage(served));
    if (pages.size > limit) {
      pages.delete(pages.keys().next().value);
    }
  }
}
serve();
process.on('SIGUSR2', () => {
  serve();
  console.log(`holds ${pages.size}`);
});
setInterval(ms ? serve : () => {}, ms || 1 << 30);
console.log('ready');
