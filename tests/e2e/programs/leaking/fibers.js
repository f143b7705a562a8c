// Trees of components as React has them. Each view that is shown replaces the one before, which is
// unmounted and yet stays behind the pointer `alternate`.
'use strict';
globalThis.leaking = (() => {
  class FiberNode {
    constructor(tag, parent) {
      this.tag = tag;
      this.return = parent;
      this.child = null;
      this.sibling = null;
      this.alternate = null;
      this.memoizedState = { queue: [`state of ${tag}`], baseState: { tag } };
    }
  }
  const root = { current: new FiberNode('root', null) };

  function view(n) {
    const top = new FiberNode(`view ${n}`, root.current);
    top.child = new FiberNode(`header ${n}`, top);
    top.child.sibling = new FiberNode(`list ${n}`, top);
    return top;
  }
  return (n) => {
    const next = view(n);
    next.alternate = root.current.child;
    root.current.child = next;
  };
})();
