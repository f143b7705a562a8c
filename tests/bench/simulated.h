#pragma once

/*
 * Simulated time: the clocks of this program, and of the libraries it is linked to, pass only while
 * the event loop waits, and then at once. So timers are libevent's own, and a day takes as long as
 * what is done in it.
 *
 * A program with this cannot wait for anything but timers and what is ready already.
 */

#include <stdint.h>

/* From now on; time since boot is monotonic time. */
void simulated_begin(uint64_t mono_ns, int64_t wall_ms);
void simulated_end(void);

/* Somebody sets the wall clock: from what it would be without, by so much. */
void simulated_set_wall(int64_t off_ms);

/* The machine has been asleep: for the wall clock and since boot time has passed. */
void simulated_sleep(uint64_t asleep_ns);

/* The clock that is not simulated, monotonic. */
uint64_t simulated_real_ns(void);
