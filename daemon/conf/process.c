/* SPDX-License-Identifier: Apache-2.0 */
/* Checks and setters of a worker's settings that the system must know: users, directories, signals, commands. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "conf/accounts.h"
#include "conf/private.h"

static int check_user(const struct block *at, const struct conf_directive *row, const char *name,
		      struct error *error)
{
	uid_t uid;

	if (conf_accept_user(name, &uid))
		return block_error(at, error, -EINVAL,
				   "%s: found \"%.80s\", which is unknown on this host; name one "
				   "that `getent passwd` lists",
				   row->name, name);
	return 0;
}

int conf_set_user(void *target, const struct conf_directive *row, const struct block *at,
		  struct error *error)
{
	int code = check_user(at, row, at->words[1], error);

	return code ? code : conf_set_text(target, row, at, error);
}

int conf_read_command_user(const struct block *at, const struct conf_directive *row, char **user,
			   struct error *error)
{
	int code;

	if (at->count == 2)
		return 0;
	if (at->count != 4 || strcmp(at->words[2], "user") != 0)
		return conf_refuse(at, row, at->words[2], error);
	code = check_user(at, row, at->words[3], error);
	return code ? code : conf_copy(at, user, at->words[3], error);
}

int conf_set_group(void *target, const struct conf_directive *row, const struct block *at,
		   struct error *error)
{
	const char *name = at->words[1];

	if (conf_accept_group(name))
		return block_error(at, error, -EINVAL,
				   "%s: found \"%.80s\", which is unknown on this host; name one "
				   "that `getent group` lists",
				   row->name, name);
	return conf_set_text(target, row, at, error);
}

int conf_set_directory(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	char **path = (char **)((char *)target + row->offset);
	int code = conf_set_path(target, row, at, error);

	return code ? code : conf_check_variables(at, *path, error);
}

static int signal_by_name(const char *name)
{
	uint64_t number;

	if (conf_parse_number(name, 64, &number) == 0)
		return (int)number;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	return 0;
}

int conf_set_signal(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	int number = signal_by_name(at->words[1]);

	if (number == 0 || number == SIGSTOP)
		return conf_refuse(at, row, at->words[1], error);
	*(int *)((char *)target + row->offset) = number;
	return 0;
}

int conf_set_umask(void *target, const struct conf_directive *row, const struct block *at,
		   struct error *error)
{
	const char *text = at->words[1];
	size_t digits = strspn(text, "01234567");
	unsigned long mask = strtoul(text, NULL, 8);

	if (digits == 0 || digits > 4 || text[digits] || mask > 0777)
		return conf_refuse(at, row, text, error);
	*(int *)((char *)target + row->offset) = (int)mask;
	return 0;
}

int conf_set_command(void *target, const struct conf_directive *row, const struct block *at,
		     struct error *error)
{
	struct error inner;
	char **words;
	int code = conf_split(at->words[1], &words, &inner);

	if (code)
		return block_error(at, error, code, "%s: %.400s", row->name, inner.text);
	if (!words[0])
		code = conf_refuse(at, row, at->words[1], error);
	conf_words_free(words);
	if (!code)
		code = conf_check_variables(at, at->words[1], error);
	return code ? code : conf_set_text(target, row, at, error);
}
