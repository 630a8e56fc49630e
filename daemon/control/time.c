/* SPDX-License-Identifier: Apache-2.0 */
#include "control/time.h"

#include <stddef.h>

enum { USER_PART = 10, ALL_PART = 4 }; /* a tenth, a quarter */

struct time_account *time_account_open(struct time_accounts *accounts, uid_t uid, uint64_t now_us)
{
	struct time_account *found = NULL;

	for (unsigned i = 0; i < TIME_ACCOUNTS; i++) {
		struct time_account *at = &accounts->users[i];
		bool used = at->clients || at->free_us > now_us;

		if (used && at->uid == uid) {
			at->clients++;
			return at;
		}
		if (!used && !found)
			found = at;
	}
	if (found)
		*found = (struct time_account){.uid = uid, .clients = 1};
	return found;
}

void time_account_close(struct time_account *account)
{
	if (account)
		account->clients--;
}

uint64_t time_account_free_us(const struct time_accounts *accounts,
			      const struct time_account *account)
{
	uint64_t all_us = accounts->all.free_us;

	return account->free_us > all_us ? account->free_us : all_us;
}

static void charge_account(struct time_account *account, uint64_t now_us, uint64_t us)
{
	account->free_us = (account->free_us > now_us ? account->free_us : now_us) + us;
}

void time_account_charge(struct time_accounts *accounts, struct time_account *account,
			 uint64_t now_us, uint64_t spent_us)
{
	charge_account(account, now_us, spent_us * (USER_PART - 1));
	charge_account(&accounts->all, now_us, spent_us * (ALL_PART - 1));
}
