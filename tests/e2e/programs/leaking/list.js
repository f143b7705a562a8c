// An editor that can undo everything, back to its first day.
'use strict';
globalThis.leaking = (() => {
  class Edit {
    constructor(n, before) {
      this.text = `edit ${n}`;
      this.range = { from: n, to: n + 1 };
      this.before = before;
    }
  }
  const editor = { last: null };
  return (n) => { editor.last = new Edit(n, editor.last); };
})();
