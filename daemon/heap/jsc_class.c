/*
 * JSC's classes
 */

#include "heap/jsc_class.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/import.h"

static const struct known {
	const char *class;
	uint8_t type;
	const char *name; /* or NULL: that of the class */
} knowns[] = {
	{ "string", HEAP_STRING, "(string)" }, { "symbol", IMPORT_SYMBOL, NULL },
	{ "BigInt", IMPORT_BIGINT, "bigint" }, { "bigint", IMPORT_BIGINT, NULL },
	{ "RegExp", HEAP_REGEXP, NULL },       { "Structure", IMPORT_SHAPE, NULL },
	{ "Callee", HEAP_CLOSURE, NULL },
};

static const char *const code_ends[] = { "Executable", "CodeBlock", "SourceCode" };

/* Scopes, as V8 has contexts. */
static const char *const scopes[] = {
	"JSLexicalEnvironment",
	"JSGlobalLexicalEnvironment",
	"JSModuleEnvironment",
	"StrictEvalActivation",
	"WithScope",
	"JSFunctionScope",
};

/* Parts of objects that have a realm all the same. */
static const char *const parts[] = {
	"StructureRareData",
	"StructureChain",
	"PropertyTable",
	"SymbolTable",
	"GetterSetter",
	"CustomGetterSetter",
	"DOMAttributeGetterSetter",
	"Cell Butterfly",
	"Immutable Butterfly",
	"HashMapBucket",
	"Sentinel",
	"FunctionRareData",
	"JSPropertyNameEnumerator",
	"InternalFieldTuple",
	"StrongRootBlock",
};

static const char *const globals[] = {
	"GlobalObject",
	"Window",
	"JSGlobalObject",
	"DedicatedWorkerGlobalScope",
	"ServiceWorkerGlobalScope",
	"SharedWorkerGlobalScope",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is(const char *raw, size_t size, const char *text)
{
	return strlen(text) == size && memcmp(raw, text, size) == 0;
}

static bool is_one(const char *raw, size_t size, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is(raw, size, texts[i]))
			return true;
	}
	return false;
}

static bool ends(const char *raw, size_t size, const char *text)
{
	size_t n = strlen(text);

	return size >= n && memcmp(raw + size - n, text, n) == 0;
}

static bool is_code(const char *raw, size_t size)
{
	static const char fetch[] = "JSScriptFetch";

	for (size_t i = 0; i < COUNT(code_ends); i++) {
		if (ends(raw, size, code_ends[i]))
			return true;
	}
	return size >= strlen(fetch) && memcmp(raw, fetch, strlen(fetch)) == 0;
}

/* The class between two texts. */
static int put_around(struct heap_names *names, const char *before, const char *raw, size_t size,
		      const char *behind, uint32_t *ret)
{
	struct buf buf;
	int r;

	buf_init(&buf, SIZE_MAX / 2);
	buf_puts(&buf, before);
	buf_append(&buf, raw, size);
	buf_puts(&buf, behind);
	r = buf.error == 0 ? heap_names_put(names, buf.data, buf.size, ret) : -ENOMEM;
	buf_fini(&buf);
	return r;
}

static uint8_t type_of(const char *raw, size_t size)
{
	for (size_t i = 0; i < COUNT(knowns); i++) {
		if (is(raw, size, knowns[i].class))
			return knowns[i].type;
	}
	if (is_code(raw, size))
		return HEAP_CODE;
	if (ends(raw, size, "Function"))
		return HEAP_CLOSURE;
	return is_one(raw, size, parts, COUNT(parts)) ? HEAP_HIDDEN : HEAP_OBJECT;
}

int jsc_class_init(struct jsc_class *ret, struct heap_names *names, const char *raw, size_t size)
{
	*ret = (struct jsc_class){ .type = type_of(raw, size) };
	ret->global = is_one(raw, size, globals, COUNT(globals));
	if (put_around(names, "system / ", raw, size, "", &ret->system_name) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < COUNT(knowns); i++) {
		if (is(raw, size, knowns[i].class) && knowns[i].name != NULL)
			return heap_names_put_text(names, "", knowns[i].name, &ret->name);
	}
	if (is_one(raw, size, scopes, COUNT(scopes)))
		return put_around(names, "system / Context (", raw, size, ")", &ret->name);
	return put_around(names, "", raw, size, "", &ret->name);
}

uint8_t jsc_class_type(const struct jsc_class *class, uint64_t flags)
{
	if (class->type != HEAP_OBJECT)
		return class->type;
	if (flags & JSC_INTERNAL)
		return HEAP_HIDDEN;
	return flags & JSC_ELEMENT_SUBTYPE ? HEAP_NATIVE : HEAP_OBJECT;
}

uint32_t jsc_class_name(const struct jsc_class *class, uint64_t flags)
{
	return jsc_class_type(class, flags) == HEAP_HIDDEN ? class->system_name : class->name;
}
