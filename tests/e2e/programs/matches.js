// Keeps a match in RegExp's statics over busy stretches and tells when somebody else matched: prints
// "clobbered" as soon as it sees that.
function turn() {
  /(app)(-data)/.exec('x app-data');
  const until = performance.now() + 50;
  while (performance.now() < until);
  if (RegExp.$1 !== 'app' || RegExp.input !== 'x app-data') {
    console.log('clobbered', RegExp.input);
  }
  setImmediate(turn);
}
turn();
console.log('ready');
