/*
 * The expressions that are ever evaluated in a target. They are constant texts (V8 compiles each
 * once), change nothing the program could see (not even RegExp.$1: hence no regular expressions)
 * but for the one that closes an inspector which we have opened,
 * return by value (nothing stays referenced) and cannot throw. They hold no double quote and no
 * backslash.
 */

#include "inspect/cdp_words.h"

#include <stddef.h>

/*
 * process.getBuiltinModule is there from 20.16 and 22.3 on; before, a CommonJS program's own
 * require serves.
 */
const struct cdp_words cdp_words_node = {
	.identity =
		"(()=>{try{const p=globalThis.process,"
		"a=((p.env.NODE_OPTIONS||'')+' '+p.execArgv.join(' ')).split('_').join('-'),"
		"f=n=>{const i=Math.max(a.lastIndexOf(n+'='),a.lastIndexOf(n+' '));"
		"return i<0?0:parseInt(a.slice(i+n.length+1),10)||0};"
		"return{pid:p.pid,version:p.version,v8:p.versions.v8,start:performance.timeOrigin,"
		"age:performance.now(),"
		"old:f('--max-old-space-size'),semi:f('--max-semi-space-size')}}catch(e){return "
		"null}})()",
	.values = "(()=>{try{const p=globalThis.process,"
		  "b=n=>p.getBuiltinModule?p.getBuiltinModule(n):p.mainModule&&p.mainModule."
		  "require(n),"
		  "v=b('v8'),w=b('worker_threads'),n=performance.nodeTiming,u=n.uvMetricsInfo,"
		  "c=p.threadCpuUsage?p.threadCpuUsage():p.cpuUsage();"
		  "return{memory:p.memoryUsage(),heap:v&&v.getHeapStatistics(),"
		  "spaces:v&&v.getHeapSpaceStatistics(),cpu:c.user+c.system,idle:n.idleTime,"
		  "turns:u?u.loopCount:-1,"
		  "old:w&&!w.isMainThread?w.resourceLimits.maxOldGenerationSizeMb:0}}"
		  "catch(e){return null}})()",
	.shut = "(()=>{try{const p=globalThis.process,g=p.getBuiltinModule,"
		"t=g?g('timers').setTimeout:setTimeout;"
		"t(()=>g?g('inspector').close():p._debugEnd(),300).unref()}catch(e){}})()",
	.node = true,
	.collects_idle = true,
};

/* No node:v8 here: to ask for it would load all of Deno's Node.js layer into the program. */
const struct cdp_words cdp_words_deno = {
	.identity = "(()=>{try{const d=globalThis.Deno;"
		    "return{pid:d.pid,version:d.version.deno,v8:d.version.v8,"
		    "start:performance.timeOrigin,age:performance.now()}}"
		    "catch(e){return null}})()",
	.values = "(()=>{try{return{memory:globalThis.Deno.memoryUsage()}}"
		  "catch(e){return null}})()",
	.node = true,
	.collects_idle = true,
};

/*
 * Its contexts can only be evaluated in while Runtime is enabled, and know no numbers of their own.
 * It begins collectGarbage with its next request, which may never come.
 */
const struct cdp_words cdp_words_workerd = { .identity = NULL };

/* What every page may read. Workers have no performance.memory. */
const struct cdp_words cdp_words_chromium = {
	.values = "(()=>{try{return{heap:{heap_size_limit:performance.memory.jsHeapSizeLimit}}}"
		  "catch(e){return null}})()",
	.browser = true,
	.collects_idle = true,
};
