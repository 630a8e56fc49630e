/* SPDX-License-Identifier: Apache-2.0 */
#include "control/pace.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

int pace_count(struct pace *pace, struct time_accounts *accounts, uid_t uid, uint64_t now_us)
{
	pace->accounts = accounts;
	pace->account = time_account_open(accounts, uid, now_us);
	return pace->account ? 0 : -EUSERS;
}

void pace_free(struct pace *pace)
{
	sd_event_source_disable_unref(pace->turn);
	time_account_close(pace->account);
}

uint64_t pace_left_us(const struct pace *pace)
{
	uint64_t free_us, now_us = clock_us();

	if (!pace->account)
		return 0;
	free_us = time_account_free_us(pace->accounts, pace->account);
	return free_us > now_us ? free_us - now_us : 0;
}

int pace_wait(struct pace *pace, uint64_t time_us, sd_event *event, sd_event_time_handler_t turn,
	      void *arg)
{
	pace->waits = true;
	return clock_arm(event, &pace->turn, time_us, turn, arg);
}

static uint64_t processor_us(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000 + (uint64_t)spent.tv_nsec / 1000;
}

void pace_start(struct pace *pace)
{
	if (pace->account)
		pace->started_us = processor_us();
}

void pace_charge(struct pace *pace)
{
	if (pace->account)
		time_account_charge(pace->accounts, pace->account, clock_us(),
				    processor_us() - pace->started_us);
}
