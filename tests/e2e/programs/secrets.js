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

function key(place, tail = '') {
  keys[place] = ['zq', 'key', place, tail].join('');
  return keys[place];
}

// What a text may end in that is no ASCII, or that JSON writes otherwise.
const tails = {
  latin: '\u00fc\u00f1\u00df',
  wide: '\u043f\u0430\u0440\u043e\u043b\u044c\u5bc6\u7801',
  astral: '\u{1f511}\u{1f600}',
  lone: '\ud83d',
  quote: '"\\\n\t\u0001/',
};

class Holder {
  constructor(text) {
    this.password = text;
  }
}

held.push(new Holder(secret('property')));
for (const [name, tail] of Object.entries(tails)) {
  held.push(new Holder(secret(name, tail)));
}
held.push([secret('element'), secret('elementtoo')]);
held.push(new Map([[secret('mapkey'), secret('mapvalue')]]));
held.push(new Set([secret('setitem')]));
// So often that who looks for duplicates finds them.
const often = secret('duplicate', '.'.repeat(200));
for (let i = 0; i < 100; i++) {
  held.push(Buffer.from(often).toString('latin1'));
}
for (const [name, tail] of [['', ''], ...Object.entries(tails)]) {
  held.push({ [key(`own${name}`, tail)]: 1, nested: { [key(`nested${name}`, tail)]: true } });
  held.push(Object.assign(Object.create(null), { [key(`dictionary${name}`, tail)]: {} }));
  held.push({ [Symbol(key(`described${name}`, tail))]: 1 });
  held.push({ [key(`method${name}`, tail) + '/a b?']() {} });
  held.push({ get [key(`getter${name}`, tail)]() { return 1; }, set [key(`setter${name}`, tail)](_) {} });
  held.push(class { static [key(`static${name}`, tail)] = {}; [key(`field${name}`, tail)] = {}; });
  held.push(new held[held.length - 1]());
  // A context whose global has a URL for a name.
  held.push(vm.createContext({ [key(`sandbox${name}`, tail)]: 1 },
    { name: `http://h/?${secret(`context${name}`, tail)}` }));
  globalThis[key(`global${name}`, tail)] = {};
}
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
held.push(Object.defineProperty(() => 1, 'name', { value: secret('definedname', ' =') }));

held.push(new Promise(() => {}), new WeakRef(new Holder(secret('weakref'))));
held.push(function* walk() { yield secret('generator'); }());
held[held.length - 1].next();
for (let i = 0; i < Number(process.argv[2] || 0) * 1024; i++) {
  held.push(Buffer.alloc(1000, `zq${'value'}more${i}`).toString('latin1'));
}
globalThis.held = held;

// What leaks, by a name that a report would tell.
const leaking = { [key('leaking')]: [] };
held.push(leaking);
setInterval(() => {
  for (let i = 0; i < 200; i++) {
    leaking[keys.leaking].push(new Holder(secret('leaked')));
  }
}, 100);

if (process.argv[3]) {
  v8.writeHeapSnapshot(process.argv[3], { exposeNumericValues: true });
}
console.log(`planted ${JSON.stringify({ values, keys })}`);
console.log('ready');
setInterval(() => held.length, 1000);
