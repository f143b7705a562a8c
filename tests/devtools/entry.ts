// What of Chrome DevTools we run: the loader of its heap snapshot worker, as it is.
export { HeapSnapshotLoader } from 'chrome-devtools-frontend/front_end/entrypoints/heap_snapshot_worker/HeapSnapshotLoader.js';
export { SecondaryInitManager } from 'chrome-devtools-frontend/front_end/entrypoints/heap_snapshot_worker/HeapSnapshot.js';
// And its model of trees of calls, into which it puts .heapprofile files.
export * as ProfileTreeModel from 'chrome-devtools-frontend/front_end/models/cpu_profile/ProfileTreeModel.js';
