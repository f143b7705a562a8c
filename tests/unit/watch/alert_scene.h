#pragma once

/*
 * What the tests of alerts stand on: targets made by hand, simulated time, and hooks that note what
 * they were told: "F name/isolate " firing, "R ..." resolved, "A ..." rearmed.
 */

#include <criterion/criterion.h>
#include <stdint.h>

#include "watch/alert.h"
#include "watch/target.h"

#define MIB (1024.0 * 1024.0)

#define HEAD "groups:\n- name: g\n  rules:\n  - alert: A\n"
#define NEAR "    when: {metric: heap_used, relative_to: heap_limit, above: 80%"

extern struct loop loop;
extern struct targets targets;
extern struct alerts alerts;
extern char events[1024];
extern bool firing_is_done;

void expect_events(const char *expected);
void set_time(uint64_t seconds);
struct rules *parse(const char *text);
void set_rules(const char *text);
struct target *add_target(const char *name);
struct isolate *add_isolate(struct target *target, const char *name);
void remove_isolate(struct isolate *isolate);
void remove_target(struct target *target);
void sample(struct isolate *isolate, double used_mib);
void tick(uint64_t seconds, struct isolate *isolate, double used_mib);
const struct alert *only_alert(void);
void expect_state(enum alert_state state);
void set_up(void);
void tear_down(void);
