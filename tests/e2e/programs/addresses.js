'use strict';
// Allocates, when SIGUSR2 asks, from functions of scripts whose addresses hold a secret each, in
// every place of an address, and says so. Ends when SIGTERM asks, as a program that is profiled by
// its own runtime should.
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const vm = require('node:vm');

const kept = [];

// Not a constant of this source.
function secret(place) {
  return ['zq', 'address', place].join('');
}

function sourceOf(name) {
  return `function ${name}(kept) {` +
    ' for (let i = 0; i < 1000; i++) { kept.push(new Array(128).fill(i)); } }';
}

function run(name, filename) {
  return vm.runInThisContext(`(${sourceOf(name)})`, { filename });
}

async function load() {
  const module = pathToFileURL(path.join(__dirname, 'addressed.mjs'));
  return [
    run('fromFile', `file:///app/plugin.js?token=${secret('query')}#${secret('fragment')}`),
    run('fromPath', `/app/path.js?token=${secret('path')}`),
    run('fromFragment', `/app/fragment.js#${secret('alone')}`),
    run('fromHost', `https://who:${secret('password')}@host.example/lib.js`),
    (await import(`data:text/javascript,export ${sourceOf('fromData')} // ${secret('data')}`))
      .fromData,
    (await import(`${module}?token=${secret('module')}`)).fromModule,
  ];
}

load().then((functions) => {
  process.on('SIGUSR2', () => {
    functions.forEach(allocate => allocate(kept));
    console.log('allocated');
  });
  process.on('SIGTERM', () => process.exit(0));
  console.log('ready');
});
setInterval(() => kept.length, 1000);
