// Listeners that each request adds to what emits for all, and does not remove: Node's EventEmitter
// where there is one, else one of our own. Others are added and removed.
'use strict';
globalThis.leaking = (() => {
  class Emitter {
    handlers = {};

    on(name, handler) {
      (this.handlers[name] ??= []).push(handler);
    }

    off(name, handler) {
      const all = this.handlers[name];
      all.splice(all.indexOf(handler), 1);
    }
  }
  const found = globalThis.process?.getBuiltinModule?.('node:events')?.EventEmitter;
  const bus = found ? new found().setMaxListeners(0) : new Emitter();
  return (n) => {
    const context = { request: `request ${n}`, marks: [n, {}] };
    const done = () => n;
    bus.on('done', done);
    bus.on('tick', function onTick() { return context; });
    bus.off('done', done);
  };
})();
