/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time and one-shot timers on the loop, in microseconds. */
#ifndef LB_CLOCK_H
#define LB_CLOCK_H

#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

static inline uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Arms *timer (made if NULL) to call handler once, after delay_us.  -errno. */
static inline int clock_arm(sd_event *event, sd_event_source **timer, uint64_t delay_us,
			    sd_event_time_handler_t handler, void *arg)
{
	uint64_t at = clock_us() + delay_us;
	int err;

	if (!*timer)
		return sd_event_add_time(event, timer, CLOCK_MONOTONIC, at, 1000, handler, arg);
	err = sd_event_source_set_time(*timer, at);
	if (err < 0)
		return err;
	return sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

static inline void clock_disarm(sd_event_source *timer)
{
	if (timer)
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

#endif
