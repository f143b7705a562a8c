/*
 * The scopes of the program's sources
 *
 * Three arrays: the scopes in the order of their trees, each with its depth; the variables of all
 * in a row; and the uses of all in a row, each of a variable of some scope.
 */

#include "heap/v8_scopes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap/allowance.h"
#include "heap/v8_head.h"
#include "heap/v8_walk.h"
#include "util/err.h"

/* No parser of JavaScript goes deeper on the stack that it has. */
enum { DEPTH_MAX = 10000 };

/* Numbers of a scope, and of a use, as they are gathered. */
enum { SCRIPT, ID, DEPTH, VARIABLES, USES, SCOPE_NUMBERS };
enum { DECLARING, SLOT, USE_NUMBERS };

struct read {
	struct v8_walk walk;
	struct v8_head head;
	struct heap_stack scopes, names, uses; /* owned */
	uint64_t scopes_at; /* byte of the first number of the scopes */
	struct heap_allowance allowance;
	struct err *err; /* borrowed */
	struct err full; /* why no more rows can be taken */
	int full_code;
};

/* ---- the arrays ---- */

static uint64_t bytes_of(const struct heap_stack *stack)
{
	return stack->capacity * sizeof(*stack->items);
}

/* The old one is there until it was copied. */
static int grow(struct read *read, struct heap_stack *stack)
{
	uint64_t before = bytes_of(stack);
	int r;

	read->full_code =
		heap_allowance_check(&read->allowance, heap_stack_growth(stack), &read->full);
	if (read->full_code < 0)
		return read->full_code;
	r = heap_stack_grow(stack);
	read->allowance.taken += bytes_of(stack) - before;
	return r;
}

static int push(struct read *read, struct heap_stack *stack, uint64_t number)
{
	int r = 0;

	if (number > UINT32_MAX)
		return -EBADMSG;
	if (stack->n == stack->capacity)
		r = grow(read, stack);
	return r == 0 ? heap_stack_push(stack, (uint32_t)number) : r;
}

static int scope_rows(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad)
{
	struct read *read = owner;
	const struct v8_scope_fields *fields = &read->head.scope;
	int r = 0;

	(void)first;
	for (size_t i = 0; i < n && r == 0; i++, rows += fields->n) {
		uint64_t script = rows[fields->script];

		*bad = i;
		if (script % read->head.node.n != 0 ||
		    script / read->head.node.n >= read->head.nodes)
			return -EBADMSG;
		r = push(read, &read->scopes, script / read->head.node.n);
		r = r == 0 ? push(read, &read->scopes, rows[fields->id]) : r;
		r = r == 0 ? push(read, &read->scopes, rows[fields->depth]) : r;
		r = r == 0 ? push(read, &read->scopes, rows[fields->variables]) : r;
		r = r == 0 ? push(read, &read->scopes, rows[fields->uses]) : r;
	}
	return r;
}

static int variable_rows(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad)
{
	struct read *read = owner;
	int r = 0;

	(void)first;
	for (size_t i = 0; i < n && r == 0; i++, rows += read->head.scope.variable_n) {
		*bad = i;
		r = push(read, &read->names, rows[read->head.scope.name]);
	}
	return r;
}

static int use_rows(void *owner, uint64_t first, const uint64_t *rows, size_t n, size_t *bad)
{
	struct read *read = owner;
	int r = 0;

	(void)first;
	for (size_t i = 0; i < n && r == 0; i++, rows += read->head.scope.use_n) {
		*bad = i;
		r = push(read, &read->uses, rows[read->head.scope.declaring]);
		r = r == 0 ? push(read, &read->uses, rows[read->head.scope.slot]) : r;
	}
	return r;
}

static int read_array(struct read *read, const char *name, unsigned fields, v8_rows_fn *fn)
{
	struct v8_array array = { name, fields, UINT64_MAX, fn, read, NULL, true };
	struct v8_walk *walk = &read->walk;
	struct v8_pool *pool;
	int r;

	if (walk->text->data[walk->at] != '[')
		return v8_walk_unexpected(walk, read->err, "an array");
	walk->at++;
	r = v8_pool_new(&pool, walk->text, 1);
	if (r < 0)
		return err_set(read->err, r, "%s", strerror(-r));
	r = v8_array_read(pool, &array, &walk->at, read->err);
	if (r == 0)
		r = v8_pool_finish(pool, read->err);
	v8_pool_free(pool);
	if (read->full_code < 0 && r == read->full_code)
		*read->err = read->full;
	return r;
}

static int read_section(void *owner)
{
	struct read *read = owner;
	const struct v8_scope_fields *fields = &read->head.scope;

	if (v8_walk_is(&read->walk, "scopes")) {
		read->scopes_at = read->walk.at + 1;
		return read_array(read, "scopes", fields->n, scope_rows);
	}
	if (v8_walk_is(&read->walk, "scope_context_vars"))
		return read_array(read, "scope_context_vars", fields->variable_n, variable_rows);
	if (v8_walk_is(&read->walk, "scope_uses"))
		return read_array(read, "scope_uses", fields->use_n, use_rows);
	return v8_walk_skip_numbers(&read->walk) ? 0 : v8_walk_skip(&read->walk, read->err);
}

static int read_head(struct read *read)
{
	int r = v8_walk_begin(&read->walk, read->err);

	return r == 0 ? v8_head_read(&read->head, &read->walk, read->err) : r;
}

/* ---- what they make ---- */

/* Where this row begins: as many commas are before it as numbers. */
static uint64_t byte_of(const struct read *read, size_t row)
{
	const struct v8_text *text = read->walk.text;
	uint64_t at = read->scopes_at, left = (uint64_t)row * read->head.scope.n;

	while (left > 0 && at < text->size)
		left -= text->data[at++] == ',';
	return at;
}

static int damaged(const struct read *read, size_t row, const char *what)
{
	return err_set(read->err, -EBADMSG, "section \"scopes\", byte %" PRIu64 ", row %zu: %s",
		       byte_of(read, row), row, what);
}

/* Trees: those of a script begin anew. open: the scopes above, by depth. */
static int make_scopes(struct v8_scopes *scopes, const struct read *read, uint32_t *open)
{
	uint32_t depth = 0;
	uint64_t variables = 0;

	for (uint32_t i = 0; i < scopes->n; i++) {
		const uint32_t *row = read->scopes.items + (size_t)i * SCOPE_NUMBERS;
		struct v8_scope *scope = &scopes->items[i];

		if (i == 0 || row[SCRIPT] != scope[-1].script)
			depth = 0;
		if (row[DEPTH] > depth || row[DEPTH] >= DEPTH_MAX)
			return damaged(read, i, "it has none above it");
		*scope = (struct v8_scope){
			.script = row[SCRIPT],
			.id = row[ID],
			.parent = row[DEPTH] > 0 ? (int64_t)open[row[DEPTH] - 1] : V8_NO_SCOPE,
			.first = (uint32_t)variables,
			.variables = row[VARIABLES],
		};
		open[row[DEPTH]] = i;
		depth = row[DEPTH] + 1;
		variables += row[VARIABLES];
		if (variables > scopes->names.n)
			return damaged(read, i, "it has more variables than there are");
	}
	return 0;
}

static int by_script_and_id(const void *a, const void *b, void *owner)
{
	const struct v8_scope *x = (const struct v8_scope *)owner + *(const uint32_t *)a;
	const struct v8_scope *y = (const struct v8_scope *)owner + *(const uint32_t *)b;

	if (x->script != y->script)
		return x->script < y->script ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int by_variable(const void *a, const void *b)
{
	const struct v8_use *x = a, *y = b;

	if (x->variable != y->variable)
		return x->variable < y->variable ? -1 : 1;
	return x->scope < y->scope ? -1 : x->scope > y->scope;
}

/* A use of what is not there is none, as for DevTools. */
static int make_uses(struct v8_scopes *scopes, const struct read *read)
{
	size_t at = 0, all = read->uses.n / USE_NUMBERS;

	for (uint32_t i = 0; i < scopes->n; i++) {
		uint32_t n = read->scopes.items[(size_t)i * SCOPE_NUMBERS + USES];

		if (n > all - at)
			return damaged(read, i, "it has more uses than there are");
		for (; n > 0; n--, at++) {
			const uint32_t *row = read->uses.items + at * USE_NUMBERS;
			int64_t of =
				v8_scopes_find(scopes, scopes->items[i].script, row[DECLARING]);

			if (of != V8_NO_SCOPE && row[SLOT] < scopes->items[of].variables)
				scopes->uses[scopes->uses_n++] =
					(struct v8_use){ scopes->items[of].first + row[SLOT], i };
		}
	}
	if (scopes->uses_n > 1)
		qsort(scopes->uses, scopes->uses_n, sizeof(*scopes->uses), by_variable);
	return 0;
}

/* qsort() of glibc takes as much as it sorts. */
static int make_arrays(struct v8_scopes *scopes, struct read *read)
{
	size_t n = read->scopes.n / SCOPE_NUMBERS, uses = read->uses.n / USE_NUMBERS;
	uint64_t bytes = (n + 1) * (sizeof(*scopes->items) + 2 * sizeof(*scopes->by_id)) +
			 (uses + 1) * 2 * sizeof(*scopes->uses) + DEPTH_MAX * sizeof(uint32_t);
	int r;

	if (n >= UINT32_MAX || uses >= UINT32_MAX || read->names.n >= UINT32_MAX)
		return damaged(read, 0, "there are more than can be read");
	r = heap_allowance_check(&read->allowance, bytes, read->err);
	if (r < 0)
		return r;
	scopes->items = calloc(n + 1, sizeof(*scopes->items));
	scopes->by_id = calloc(n + 1, sizeof(*scopes->by_id));
	scopes->uses = calloc(uses + 1, sizeof(*scopes->uses));
	scopes->n = (uint32_t)n;
	scopes->uses_capacity = (uint32_t)uses;
	if (scopes->items == NULL || scopes->by_id == NULL || scopes->uses == NULL)
		return err_set(read->err, -ENOMEM, "out of memory");
	return 0;
}

static int make(struct v8_scopes *scopes, struct read *read)
{
	int r = make_arrays(scopes, read);
	uint32_t *open = r == 0 ? calloc(DEPTH_MAX, sizeof(*open)) : NULL;

	scopes->names = read->names;
	read->names = (struct heap_stack){ .items = NULL };
	if (r == 0)
		r = open != NULL ? make_scopes(scopes, read, open)
				 : err_set(read->err, -ENOMEM, "out of memory");
	free(open);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < scopes->n; i++)
		scopes->by_id[i] = i;
	if (scopes->n > 1)
		qsort_r(scopes->by_id, scopes->n, sizeof(*scopes->by_id), by_script_and_id,
			scopes->items);
	return make_uses(scopes, read);
}

int v8_scopes_read(struct v8_scopes *ret, const struct v8_text *text, uint64_t memory_max,
		   struct err *err)
{
	struct read read = { .walk = { .text = text, .section = "snapshot" },
			     .allowance = { "scopes of the sources", memory_max, 0 },
			     .err = err };
	int r = read_head(&read);

	*ret = (struct v8_scopes){ .n = 0 };
	if (r == 0 && read.head.scope.n > 0)
		r = v8_walk_sections(&read.walk, read_section, &read, err);
	if (r == 0 && read.scopes.n > 0)
		r = make(ret, &read);
	heap_stack_fini(&read.scopes);
	heap_stack_fini(&read.names);
	heap_stack_fini(&read.uses);
	return r;
}

void v8_scopes_fini(struct v8_scopes *scopes)
{
	free(scopes->items);
	heap_stack_fini(&scopes->names);
	free(scopes->uses);
	free(scopes->by_id);
	*scopes = (struct v8_scopes){ .n = 0 };
}

uint64_t v8_scopes_taken(const struct v8_scopes *scopes)
{
	return scopes->n * (sizeof(*scopes->items) + sizeof(*scopes->by_id)) +
	       scopes->uses_capacity * sizeof(*scopes->uses) + bytes_of(&scopes->names);
}

/* Of several the last. */
int64_t v8_scopes_find(const struct v8_scopes *scopes, uint32_t script, uint32_t id)
{
	uint32_t low = 0, high = scopes->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct v8_scope *scope = &scopes->items[scopes->by_id[middle]];

		if (scope->script < script || (scope->script == script && scope->id <= id))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return V8_NO_SCOPE;
	low = scopes->by_id[low - 1];
	return scopes->items[low].script == script && scopes->items[low].id == id ? (int64_t)low
										  : V8_NO_SCOPE;
}
