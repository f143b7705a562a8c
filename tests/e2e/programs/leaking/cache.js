// A cache that nothing is ever taken out of.
'use strict';
globalThis.leaking = (() => {
  class CachedAnswer {
    constructor(n) {
      this.question = `question ${n}`;
      this.lines = [`answer ${n}`, { n }, { of: n }];
    }
  }
  const answers = new Map();
  return (n) => answers.set(`question ${n}`, new CachedAnswer(n));
})();
