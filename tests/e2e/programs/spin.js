// Uses most of a core, in turns short enough to answer between them; with `later` from SIGUSR2 on.
'use strict';
const turn = () => {
  const until = Date.now() + 20;
  while (Date.now() < until) {
    // spins
  }
  setTimeout(turn, 5);
};
if (process.argv[2] === 'later') {
  process.once('SIGUSR2', () => {
    console.log('spins');
    turn();
  });
  setInterval(() => {}, 1 << 30);
} else {
  turn();
}
console.log('ready');
