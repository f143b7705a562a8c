'use strict';
class ServiceThing {
  constructor(i) {
    this.at = { i };
  }
}
const serviceThings = [];
for (let i = 0; i < 2345; i++) serviceThings.push(new ServiceThing(i));
