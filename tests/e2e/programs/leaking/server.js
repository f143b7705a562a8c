// A server whose requests leave the active ones when they are answered, but not when they fail.
'use strict';
globalThis.leaking = (() => {
  class RequestContext {
    constructor(n) {
      this.path = `/order/${n}`;
      this.headers = { host: 'shop', trace: `trace ${n}` };
      this.marks = [n, { at: n }];
    }
  }
  class Server {
    active = [];

    async handle(n) {
      const context = new RequestContext(n);
      this.active.push(context);
      await null;
      if (n % 2 === 1) {
        throw new Error(`order ${n} is unknown`);
      }
      this.active.splice(this.active.indexOf(context), 1);
    }
  }
  const server = new Server();
  return (n) => server.handle(n).catch(() => {});
})();
