// bun hoards_run.mjs v8|jsc EACH HEALTHY LEAK,LEAK,... PATH...: works, and writes a snapshot after
// each step; leaks after so many.
import './hoards.js';

const [, , form, each, healthy, leaks, ...paths] = process.argv;
for (const [i, path] of paths.entries()) {
  if (i === Number(healthy)) {
    globalThis.hoards.start(...leaks.split(','));
    globalThis.hoards.work(Number(each));
  }
  globalThis.hoards.work(Number(each));
  await new Promise((resolve) => setTimeout(resolve, 0));
  Bun.gc(true);
  const snapshot = form === 'v8' ? Bun.generateHeapSnapshot('v8')
    : JSON.stringify(Bun.generateHeapSnapshot());
  await Bun.write(path, snapshot);
}
process.exit(0);
