/*
 * A number for a condition, over restarts: of the fields that condition_equal() compares
 */

#include "util/fnv.h"
#include "watch/condition.h"
#include "watch/value.h"

static uint64_t hash_uint(uint64_t hash, uint64_t value)
{
	return fnv1a(hash, &value, sizeof(value));
}

/* Equal ones are one number, also 0 and -0. */
static uint64_t hash_double(uint64_t hash, double value)
{
	double plain = value + 0.0;

	return fnv1a(hash, &plain, sizeof(plain));
}

/* By its name: its place in the table is of this version only. */
static uint64_t hash_value(uint64_t hash, int value)
{
	return value < 0 ? hash_uint(hash, 0)
			 : fnv1a_text(hash_uint(hash, 1), value_at(value)->name);
}

static uint64_t hash_calendar(uint64_t hash, const struct calendar *calendar)
{
	hash = hash_uint(hash, calendar->weekdays);
	hash = fnv1a(hash, calendar->years, sizeof(calendar->years));
	hash = hash_uint(hash, calendar->months);
	hash = hash_uint(hash, calendar->days);
	hash = hash_uint(hash, calendar->hours);
	hash = hash_uint(hash, calendar->minutes);
	hash = hash_uint(hash, calendar->seconds);
	return hash_uint(hash, calendar->utc);
}

static uint64_t hash_leak(uint64_t hash, const struct leak_when *leak)
{
	hash = hash_uint(hash, (uint64_t)leak->window);
	hash = hash_uint(hash, (uint64_t)leak->cause);
	hash = hash_double(hash, leak->growth_share);
	hash = hash_uint(hash, leak->has_eta_below);
	return hash_uint(hash, leak->eta_below_ns);
}

/* What condition_equal() compares of it. */
static uint64_t hash_term(uint64_t hash, const struct term *term)
{
	hash = hash_uint(hash, (uint64_t)term->kind);
	hash = hash_uint(hash, (uint64_t)term->parent);
	hash = hash_value(hash_value(hash, term->metric), term->relative_to);
	hash = hash_uint(hash, term->below);
	hash = hash_uint(hash, term->is_share);
	hash = hash_double(hash, term->level);
	hash = hash_uint(hash, term->steps_n);
	for (size_t i = 0; i < term->steps_n; i++)
		hash = fnv1a_text(hash_double(hash, term->steps[i]), term->step_texts.items[i]);
	hash = hash_uint(hash, term->over_ns);
	hash = hash_uint(hash, term->every_ns);
	hash = hash_uint(hash, term->events);
	return hash_calendar(hash_leak(hash, &term->leak), &term->calendar);
}

uint64_t condition_hash(const struct condition *condition)
{
	uint64_t hash = hash_uint(FNV1A_FIRST, condition->n);

	for (size_t i = 0; i < condition->n; i++)
		hash = hash_term(hash, &condition->terms[i]);
	return hash;
}
