// As heap.js; on SIGUSR2 it grows until V8 aborts it.
'use strict';
const kept = require('./heap.js');
process.on('SIGUSR2', () => {
  for (;;) {
    kept.things.push(new Array(1000).fill(kept.things.length + 0.5));
  }
});
