// A cache that is full soon: working_set.js LIMIT STEP MS asks it for STEP pages each MS
// milliseconds, of LIMIT that there are. From its first round on it only has what is asked for.
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
setInterval(() => {
  for (const end = served + step; served < end; served++) {
    const n = served % limit;
    if (!pages.has(n)) {
      pages.set(n, new CachedPage(n));
      if (pages.size === limit) {
        console.log('full');
      }
    }
  }
}, ms);
console.log('ready');
