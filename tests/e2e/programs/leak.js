// Leaks objects of a named class: leak.js MIB_PER_STEP STEP_MS
'use strict';
class LeakedOrder {
  constructor(id) {
    this.id = id;
    this.lines = new Array(60).fill(id + 0.5);
  }
}
const [mib, stepMs] = process.argv.slice(2).map(Number);
const kept = [];
setInterval(() => {
  const until = process.memoryUsage().heapUsed + mib * (1 << 20);
  do {
    for (let i = 0; i < 500; i++) {
      kept.push(new LeakedOrder(kept.length));
    }
  } while (process.memoryUsage().heapUsed < until);
}, stepMs);
console.log('ready');
