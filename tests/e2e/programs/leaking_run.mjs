// node|deno|bun leaking_run.mjs PROGRAM EACH FORM,FORM... PATH...: a program of leaking/ at work, and a
// snapshot in each form (v8, jsc) after EACH requests, PATH for PATH; where the runtime tells of its
// scripts, the list of them beside the last.
import './leaking/healthy.js';

const [program, each, forms, ...paths] = globalThis.process.argv.slice(2);
await import(`./leaking/${program}.js`);

async function write(path, form) {
  if (typeof Bun === 'undefined') {
    (await import('node:v8')).writeHeapSnapshot(path);
    return;
  }
  Bun.gc(true);
  await Bun.write(path, form === 'v8' ? Bun.generateHeapSnapshot('v8')
    : JSON.stringify(Bun.generateHeapSnapshot()));
}

async function writeScripts(path) {
  const { Session } = await import('node:inspector');
  const session = new Session();
  const scripts = [];
  session.connect();
  session.on('Debugger.scriptParsed', ({ params }) => scripts.push(params));
  session.post('Debugger.enable');
  session.disconnect();
  (await import('node:fs')).writeFileSync(path, JSON.stringify(scripts));
}

if (typeof Bun === 'undefined' && typeof Deno === 'undefined') {
  await writeScripts(paths.at(-1).replace('.heapsnapshot', '.scripts.json'));
}
const kinds = forms.split(',');
for (const [i, path] of paths.entries()) {
  if (i % kinds.length === 0) {
    globalThis.work(Number(each));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await write(path, kinds[i % kinds.length]);
}
process.exit(0);
