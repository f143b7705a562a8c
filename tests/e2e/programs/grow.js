// As heap.js; on SIGUSR2 it grows until V8 aborts it.
'use strict';
let kept = null;
process.on('SIGUSR2', () => {
  for (;;) {
    kept.things.push(new Array(100000).fill(kept.things.length + 0.5));
  }
});
kept = require('./heap.js');
