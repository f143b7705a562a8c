// Pollers that are started for each request, and never stopped.
'use strict';
globalThis.leaking = (() => {
  class Poller {
    constructor(n) {
      this.topic = `topic ${n}`;
      this.answers = [n, { n }, `answer ${n}`];
    }

    start() {
      setInterval(() => this.answers.push(this.topic), 1 << 30);
    }
  }
  return (n) => new Poller(n).start();
})();
