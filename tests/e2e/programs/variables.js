// Variables of functions that are there no more, beside those of functions that are or may come.
'use strict';
globalThis.kept = [];
function sharing(n) {
  const big = new Array(500).fill(n);
  const used = { n };
  const later = [n];
  function never() { return big; }
  return function some() { return () => () => [used, later]; };
}
function chained(n) {
  const above = { n, text: ['above ' + n] };
  return (() => {
    const own = { n, list: [n, n] };
    const gone = { n, list: new Array(40).fill(n) };
    (() => gone)();
    return { read: () => own, peek: n % 2 ? () => above : null, drop: n % 3 ? () => gone : null };
  })();
}
// The snapshot does not tell which script the scope of a block is of.
function looped(n) {
  for (let i = 0; i < 3; i++) {
    const seen = { i }, lost = { i, of: [n] };
    globalThis.kept.push(() => seen);
    globalThis.last = () => lost;
  }
}
function empty(n) {
  let nothing = null, unused = n % 2 ? { n } : null, held = [n];
  globalThis.latest = () => [nothing, unused];
  return () => held;
}
for (let i = 0; i < 60; i++) {
  globalThis.kept.push(sharing(i), chained(i));
  looped(i);
  kept.push(empty(i));
}
//# sourceURL=https://shop.example/variables.js
