'use strict';
// Plants secrets wherever a heap snapshot could show one, each with a name of its own, and says
// which: `planted {"values": {place: text}, "keys": {place: text}}`. A value is something that no
// level of redaction may let through; a key is the name of a property, which `strings` keeps.
// A symbol's description is a value, unless it is the name of a property. Keys that are numbers, of
// cards and telephones, are always the same: 4029123456, 4129123457 and 4929123456789, of which the
// first two are elements to V8.
//   secrets.js [MEBIBYTES of secrets more] [FILE for a heap snapshot with the texts of numbers]
const vm = require('node:vm');
const v8 = require('node:v8');

const values = {};
const keys = {};
const held = [];

// Not a constant of this source, whose text is in the snapshot.
function secret(place, tail = '') {
  values[place] = ['zq', 'value', place, tail].join('');
  return values[place];
}

function key(place) {
  keys[place] = ['zq', 'key', place].join('');
  return keys[place];
}

class Holder {
  constructor(text) {
    this.password = text;
  }
}

held.push(new Holder(secret('property')));
held.push(new Holder(secret('latin', '\u00fc\u00f1\u00df')));
held.push(new Holder(secret('wide', '\u043f\u0430\u0440\u043e\u043b\u044c\u5bc6\u7801')));
held.push(new Holder(secret('astral', '\u{1f511}\u{1f600}')));
held.push(new Holder(secret('lone', '\ud83d')));
held.push(new Holder(secret('quote', '"\\\n\t\u0001/')));
held.push([secret('element'), secret('elementtoo')]);
held.push(new Map([[secret('mapkey'), secret('mapvalue')]]));
held.push(new Set([secret('setitem')]));
held.push({ [key('own')]: 1, nested: { [key('nested')]: true } });
held.push(Object.assign(Object.create(null), { [key('dictionary')]: {} }));
class Keyed extends Holder {}
held.push({ 4029123456: new Keyed('a'), 4929123456789: new Holder('b') });
held.push(Object.assign([new Holder('c'), 1, new Holder('d')], { 4129123457: new Holder('e') }));
const both = key('both'); // the value of one property and the name of another
held.push({ [both]: secret('other'), keeper: both });

// The names of ephemeron edges are made of their keys and values.
const weak = new WeakMap();
const weakKeys = [{ a: 1 }, new Holder('x')];
weak.set(weakKeys[0], secret('weakvalue'));
weak.set(weakKeys[1], new Holder(secret('weakholder', ') @1) -> value (')));
const odd = Symbol(secret('weaksymbol'));
try {
  weak.set(odd, 1);
} catch {
  // no symbols as keys before V8 10.8
}
held.push(weak, weakKeys, odd);

function capture(text) {
  return function reveal() {
    return text;
  };
}
held.push(capture(secret('closure')));
held.push(((who) => `Bearer ${secret('template')} ${who}`)('me'));
held.push(capture.bind(null, secret('bound')));

let rope = secret('rope');
rope += held.length + 'and a long tail so that it stays a rope until somebody looks at it';
held.push(rope);
const flat = Buffer.from(`${'.'.repeat(40)}${secret('sliced')}${'.'.repeat(40)}`).toString();
held.push(flat.slice(30, -30));
held.push(Buffer.from(secret('buffer')).toString('latin1'));
held.push(new RegExp(secret('regexp')));
held.push(Symbol(secret('symbolic')), Symbol.for(secret('registered')));
held.push({ [Symbol(key('described'))]: 1 });
const error = new Error(secret('error'));
held.push(error, error.stack);
held.push(new URL(`https://user:${secret('url').toLowerCase()}@example.com/?q=1`));
held.push(JSON.parse(`{"token":"${secret('json')}"}`));
process.env.SECRET_OF_TEST = secret('env');
held.push(process.env.SECRET_OF_TEST);
held.push(new String(secret('boxed')));
held.push(24691357.8125 / 2); // nowhere as a text

// Source text: a comment, a constant, the name of the file.
const source = `/* ${secret('comment')} */ (function hidden() { return '${secret('constant')}'; })`;
held.push(vm.runInThisContext(source, {
  filename: `file:///app/plugin.js?token=${secret('query')}#${secret('fragment')}`,
}));
held.push(new Function(`return "${secret('dynamic')}"; // ${secret('dynamiccomment')}`));
held.push(held[held.length - 2]());

// Names that were computed from data.
held.push({ [key('method') + '/a b?']() {} });
held.push(Object.defineProperty(() => 1, 'name', { value: secret('definedname', ' =') }));

// A context whose global has a URL for a name.
held.push(vm.createContext({ [key('sandbox')]: 1 }, { name: `http://h/?${secret('context')}` }));
held.push(new Promise(() => {}), new WeakRef(new Holder(secret('weakref'))));
held.push(function* walk() { yield secret('generator'); }());
held[held.length - 1].next();
for (let i = 0; i < Number(process.argv[2] || 0) * 1024; i++) {
  held.push(Buffer.alloc(1000, `zq${'value'}more${i}`).toString('latin1'));
}
globalThis.held = held;

if (process.argv[3]) {
  v8.writeHeapSnapshot(process.argv[3], { exposeNumericValues: true });
}
console.log(`planted ${JSON.stringify({ values, keys })}`);
console.log('ready');
setInterval(() => held.length, 1000);
