// Holds argv[2] MiB and makes garbage steadily, argv[3] objects each 20 ms. Counts its own collections
// by Node's PerformanceObserver; SIGUSR2 prints them: "gc minor N SECONDS LONGEST major N SECONDS
// LONGEST". With "workers" a worker thread does the same beside it. Is ready when each holds its part.
'use strict';

const { PerformanceObserver, constants } = require('perf_hooks');
const { Worker, isMainThread, parentPort } = require('worker_threads');

const [, , mib, objects, mode] = process.argv;
const held = [];
for (let i = 0; i < Number(mib) << 10; i++) {
  held.push({ text: Buffer.alloc(1000, `${i} `).toString('latin1') });
}

const seen = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: { n: 0, ms: 0, longest: 0 },
  [constants.NODE_PERFORMANCE_GC_MAJOR]: { n: 0, ms: 0, longest: 0 },
};

function note(list) {
  for (const entry of list.getEntries()) {
    const of = seen[entry.detail ? entry.detail.kind : entry.kind];
    if (of) {
      of.n++;
      of.ms += entry.duration;
      of.longest = Math.max(of.longest, entry.duration);
    }
  }
}

const kept = new Array(1 << 15).fill(null);
let at = 0;
setInterval(() => {
  for (let i = 0; i < Number(objects); i++) {
    at = (at + 1) & (kept.length - 1);
    kept[at] = { i, pair: [at, i], text: `t${i}` };
  }
}, 20);

if (isMainThread) {
  new PerformanceObserver(note).observe({ entryTypes: ['gc'] });
  process.on('SIGUSR2', () => setImmediate(() => {
    const text = of => `${of.n} ${(of.ms / 1000).toFixed(6)} ${(of.longest / 1000).toFixed(6)}`;
    console.log(`gc minor ${text(seen[constants.NODE_PERFORMANCE_GC_MINOR])} ` +
      `major ${text(seen[constants.NODE_PERFORMANCE_GC_MAJOR])}`);
  }));
  const ready = () => console.log('ready');
  if (mode === 'workers') {
    new Worker(__filename, { argv: [mib, objects] }).once('message', ready);
  } else {
    ready();
  }
} else {
  parentPort.postMessage('it holds as much');
}
