// miniflare: SCRIPT as each worker of NAMES, with commas between ('': one without a name), behind the
// inspector proxy of Miniflare at HOST, which reloads them on SIGUSR2. With HELD_MS the proxy is
// connected to them so much later.
const http = require('node:http');
const { Miniflare } = require('miniflare');

const [script, names, heldMs, inspectorHost] = process.argv.slice(2);
const { request } = http;
let connecting = []; // of the proxy to the workers
http.request = (...args) => {
  const asked = request(...args);
  const { emit } = asked;
  connecting.push(new Promise((done) => { asked.once('upgrade', done).once('close', done); }));
  asked.emit = (event, ...rest) => {
    if (!heldMs || event !== 'upgrade') return emit.call(asked, event, ...rest);
    setTimeout(() => emit.call(asked, event, ...rest), Number(heldMs));
    return true;
  };
  return asked;
};

// Whoever speaks to the proxy before ends this program.
async function connected() {
  if (!heldMs) await Promise.all(connecting);
  connecting = [];
}

const options = {
  workers: names.split(',').map((name) => ({
    name: name || undefined,
    modules: true,
    scriptPath: script,
    compatibilityDate: '2025-01-01',
    unsafeInspectorProxy: true,
  })),
  host: '127.0.0.1',
  port: 0,
  inspectorHost,
  inspectorPort: 0,
  cf: false, // nothing is asked of Cloudflare
};
const miniflare = new Miniflare(options);

async function tell() {
  const served = await miniflare.ready;
  const inspector = await miniflare.getInspectorURL();
  await connected();
  console.log(`ready, http ${served.port} inspector ${inspector.port}`);
}

process.on('SIGUSR2', async () => {
  await miniflare.setOptions(options);
  await connected();
  console.log('reloaded');
});
tell();
