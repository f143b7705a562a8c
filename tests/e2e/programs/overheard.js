// A worker thread hears, as a debugger does, what is evaluated in the main thread, and prints each
// script that comes from no file, as JSON: "evaluated TEXT".
'use strict';
const { Worker, isMainThread } = require('node:worker_threads');
setInterval(() => {}, 1 << 30);
if (isMainThread) {
  new Worker(__filename);
} else {
  const { writeSync } = require('node:fs');
  const { Session } = require('node:inspector');
  const session = new Session();
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params }) => {
    if (params.url !== '') return;
    session.post('Debugger.getScriptSource', { scriptId: params.scriptId }, (error, script) => {
      writeSync(1, `evaluated ${JSON.stringify(error || script.scriptSource)}\n`);
    });
  });
  session.post('Debugger.enable', () => writeSync(1, 'ready\n'));
}
