// Listeners of an EventTarget that are never removed; others are.
'use strict';
globalThis.leaking = (() => {
  const bus = new EventTarget();
  return (n) => {
    const context = { request: `request ${n}`, marks: [n, {}] };
    const done = () => n;
    bus.addEventListener('done', done);
    bus.addEventListener('tick', function onTick() { return context; });
    bus.removeEventListener('done', done);
  };
})();
