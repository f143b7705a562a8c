// Uses most of a core, in turns short enough to answer between them.
'use strict';
const turn = () => {
  const until = Date.now() + 20;
  while (Date.now() < until) {
    // spins
  }
  setTimeout(turn, 5);
};
turn();
console.log('ready');
