#pragma once

/*
 * Text: bounded copies, and the units people write: durations (Prometheus: 500ms, 10s, 1h30m),
 * sizes (64KiB, 2GiB, 10MB) and shares (80%, 0.8).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always terminates; returns false when the text was cut. */
bool str_copy(char *dst, size_t size, const char *src);

/* strdup of a span; NULL on ENOMEM. */
char *str_dup_span(const char *text, size_t size);

bool str_has_prefix(const char *text, const char *prefix);

/* -EINVAL when it is not one, -ERANGE when it does not fit. Whole text must match. */
int str_parse_uint(const char *text, uint64_t *ret);
int str_parse_duration(const char *text, uint64_t *ret_ns); /* "0" is allowed without a unit */
int str_parse_ratio(const char *text, double *ret); /* "80%" = "0.8" = 0.8; 0 to 1 */

/* KiB MiB GiB TiB, kB MB GB TB, B; without a unit: bytes. */
int str_parse_bytes(const char *text, uint64_t *ret_bytes);

/* For people: "1h30m", "2.5s"; "1.4 GiB". dst is always terminated and returned. */
enum { STR_UNIT_MAX = 32 };
char *str_format_duration(char dst[STR_UNIT_MAX], uint64_t ns);
char *str_format_bytes(char dst[STR_UNIT_MAX], uint64_t bytes);
char *str_format_known_bytes(char dst[STR_UNIT_MAX], bool known, uint64_t bytes); /* or "unknown" */

/* The nearest of n words within two edits (a typo), else NULL. For "did you mean". */
const char *str_closest(const char *word, const char *const *words, size_t n);

/* Bytes of the well-formed UTF-8 sequence the text begins with; 0 when it is not one. */
size_t str_utf8_sequence(const char *text, size_t size);

/* True when the bytes are well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(const char *text, size_t size);

/* Its last n bytes at most; borrowed. */
const char *str_end(const char *text, size_t n);
