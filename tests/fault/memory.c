/*
 * Memory that is not there
 *
 * Stands before malloc and its like, and lets the k-th allocation fail that the program's own code
 * makes: what libraries do without memory is theirs (libwebsockets crashes), and told apart by the
 * address that the call comes from. Preloaded beside nothing that has an allocator of its own.
 */

#include "control.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

/* What they are called where nobody stands before them. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static uintptr_t code_begin, code_end; /* of the program */

/* The program itself comes first. */
static int take_program(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
			continue;
		code_begin = info->dlpi_addr + part->p_vaddr;
		code_end = code_begin + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	dl_iterate_phdr(take_program, NULL);
}

static bool fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	if (at < code_begin || at >= code_end || !fault_allocation())
		return false;
	errno = ENOMEM;
	return true;
}

EXPORT void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
