// miniflare: SCRIPT as the worker NAME, or without a name, behind the inspector proxy of Miniflare.
const { Miniflare } = require('miniflare');

const [script, name] = process.argv.slice(2);
const miniflare = new Miniflare({
  name,
  modules: true,
  scriptPath: script,
  compatibilityDate: '2025-01-01',
  host: '127.0.0.1',
  port: 0,
  inspectorHost: '127.0.0.1',
  inspectorPort: 0,
  unsafeInspectorProxy: true,
  cf: false, // nothing is asked of Cloudflare
});

async function tell() {
  const served = await miniflare.ready;
  const inspector = await miniflare.getInspectorURL();
  console.log(`ready, http ${served.port} inspector ${inspector.port}`);
}

tell();
