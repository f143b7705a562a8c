// Callbacks that use a number, in a scope that has the rows as well for another function's sake.
'use strict';
globalThis.leaking = (() => {
  const callbacks = [];
  return (n) => {
    const rows = Array.from({ length: 8 }, (_, i) => ({ n, i }));
    const count = () => rows.length;
    callbacks.push(function answered() { return n; });
    return count();
  };
})();
