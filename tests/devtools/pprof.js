// Reads a profile.proto as Datadog's pprof-format does: node pprof.js FILE.pb.gz
'use strict';
const fs = require('node:fs');
const zlib = require('node:zlib');
const { Profile } = require('pprof-format');

const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(process.argv[2])));
const text = index => profile.stringTable.strings[Number(index)];
const functions = new Map(profile.function.map(f => [String(f.id), f]));
const locations = new Map(profile.location.map(l => [String(l.id), l]));
const self = {};
const columns = profile.sampleType.map(type => text(type.type));
let depth = 0;
for (const sample of profile.sample) {
  const stack = sample.locationId.map(id => functions.get(String(locations.get(String(id)).line[0].functionId)));
  const name = text(stack[0].name);
  depth = Math.max(depth, stack.length);
  self[name] ??= columns.map(() => 0);
  sample.value.forEach((value, i) => { self[name][i] += Number(value); });
}
console.log(JSON.stringify({
  columns,
  units: profile.sampleType.map(type => text(type.unit)),
  default: text(profile.defaultSampleType),
  period: Number(profile.period),
  duration: Number(profile.durationNanos),
  files: [...functions.values()].map(f => text(f.filename)),
  depth,
  self,
}));
