// As heap.js; each SIGUSR2 adds as many objects of class KnownThing.
'use strict';
const { things } = require('./heap.js');
const KnownThing = things[0].constructor;
process.on('SIGUSR2', () => {
  for (let i = 0; i < Number(process.argv[2]); i++) {
    things.push(new KnownThing(i));
  }
  console.log('grown', things.length);
});
