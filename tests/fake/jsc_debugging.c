/*
 * Snapshots of type GCDebugging from a real WebKitGTK, preloaded into it: no inspector can ask for
 * that type, and what the page and its engine have is theirs. The builder of each snapshot is told
 * so at its first node, when nothing that depends on the type has been done; it looks up this
 * function in its table, by which it can be had.
 */

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define REPLACED           __attribute__((visibility("default")))
#define ANALYZE_NODE       _ZN3JSC19HeapSnapshotBuilder11analyzeNodeEPNS_6JSCellE
#define NAME_OF(symbol)    NAME_OF_IT(symbol)
#define NAME_OF_IT(symbol) #symbol

enum { INSPECTOR, GC_DEBUGGING };

/* Of WebKitGTK 2.50, by its constructor. */
enum { TYPE_AT = 0x60 };

typedef void analyze_fn(void *builder, void *cell);

static analyze_fn *real;

__attribute__((constructor)) static void find(void)
{
	*(void **)&real = dlsym(RTLD_NEXT, NAME_OF(ANALYZE_NODE));
}

REPLACED analyze_fn ANALYZE_NODE;

/* Threads of the collector call it side by side; a version that has something else there is none.
 */
REPLACED void ANALYZE_NODE(void *builder, void *cell)
{
	int32_t *type = (int32_t *)((char *)builder + TYPE_AT);
	int32_t is = __atomic_load_n(type, __ATOMIC_RELAXED);

	if (is != INSPECTOR && is != GC_DEBUGGING)
		abort();
	__atomic_store_n(type, GC_DEBUGGING, __ATOMIC_RELAXED);
	real(builder, cell);
}
