/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time of lbd's loop that users who may only read can have: without a bound, one of them that asks again
 * and again keeps lbd from its workers.  Each has a tenth of the loop, all together a quarter; who has
 * had more waits before its next request is looked at.  An account outlives its connections until it is
 * paid, so that to connect anew helps nobody.  Private to the room control.
 */
#ifndef LB_CONTROL_TIME_H
#define LB_CONTROL_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { TIME_ACCOUNTS = 64 };

struct time_account {
	uid_t uid;
	unsigned clients;
	uint64_t free_us; /* CLOCK_MONOTONIC: may ask from then on */
};

struct time_accounts {
	struct time_account users[TIME_ACCOUNTS], all;
};

/* The user's account with one more client; NULL when all accounts are in use. */
struct time_account *time_account_open(struct time_accounts *accounts, uid_t uid, uint64_t now_us);
void time_account_close(struct time_account *account); /* one client less; takes NULL */

/* When it may ask again. */
uint64_t time_account_free_us(const struct time_accounts *accounts,
			      const struct time_account *account);
void time_account_charge(struct time_accounts *accounts, struct time_account *account,
			 uint64_t now_us, uint64_t spent_us);

#endif
