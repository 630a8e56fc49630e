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

/* How late a timer may be: the usual, and where nobody waits for it (the default of sd_event_add_time(3)). */
enum { CLOCK_SLACK_US = 1000, CLOCK_LAX_US = 250 * 1000 };

/*
 * Arms *timer (made if NULL) to call handler once, after delay_us.  One that is there keeps the handler that it was
 * made with.  -errno.
 */
static inline int clock_arm(sd_event *event, sd_event_source **timer, uint64_t delay_us,
			    sd_event_time_handler_t handler, void *arg)
{
	uint64_t at = clock_us() + delay_us;
	int err;

	if (!*timer)
		return sd_event_add_time(event, timer, CLOCK_MONOTONIC, at, CLOCK_SLACK_US, handler,
					 arg);
	err = sd_event_source_set_time(*timer, at);
	if (err < 0)
		return err;
	return sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

/* The same in the place of the timer that is there, for one that has several handlers; up to slack_us later. */
static inline int clock_arm_anew(sd_event *event, sd_event_source **timer, uint64_t delay_us,
				 uint64_t slack_us, sd_event_time_handler_t handler, void *arg)
{
	*timer = sd_event_source_disable_unref(*timer);
	return sd_event_add_time_relative(event, timer, CLOCK_MONOTONIC, delay_us, slack_us,
					  handler, arg);
}

static inline void clock_disarm(sd_event_source *timer)
{
	if (timer)
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

#endif
