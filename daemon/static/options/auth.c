// SPDX-License-Identifier: Apache-2.0
#include "static/options/auth.h"

#include <crypt.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CREDENTIALS_BYTES = 256, RECENT = 8 };

struct user {
	struct user *next;
	char *hash; /* follows the name's NUL */
	char name[];
};

struct users {
	struct user *first;
	/*
	 * What was found right lately, decoded: a good hash is slow by design, and this is one thread.
	 * The passwords pass through this process's memory anyway.
	 */
	char recent[RECENT][CREDENTIALS_BYTES];
	unsigned next_recent;
};

/* crypt(3) tells an unknown hash form only when it is used: find it out at start. */
static int check_hash(const char *path, unsigned line, const struct user *user, struct fault *fault)
{
	int form = crypt_checksalt(user->hash);

	if (*user->hash == '$' && form != CRYPT_SALT_INVALID)
		return 0;
	return fault_set(
		fault, -EINVAL,
		"%s:%u: the password of %s is in a form that crypt(3) does not know; make it "
		"with `mkpasswd` or `htpasswd -B`",
		path, line, user->name);
}

static int add_user(struct users *users, const char *path, unsigned line, const char *text,
		    struct fault *fault)
{
	size_t len = strcspn(text, "\r\n");
	const char *colon = memchr(text, ':', len);
	struct user *user;

	if (!len || *text == '#')
		return 0;
	if (!colon || colon == text)
		return fault_set(fault, -EINVAL, "%s:%u: expected user:hash", path, line);
	user = malloc(sizeof(*user) + len + 1);
	if (!user)
		return fault_set(fault, -ENOMEM, "%s: no memory", path);
	memcpy(user->name, text, len);
	user->name[len] = '\0';
	user->name[colon - text] = '\0';
	user->hash = user->name + (colon - text) + 1;
	user->hash[strcspn(user->hash, ":")] = '\0';
	user->next = users->first;
	users->first = user;
	return check_hash(path, line, user, fault);
}

int users_load(const char *path, struct users **out, struct fault *fault)
{
	struct users *users = calloc(1, sizeof(*users));
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	int err = 0;

	if (!file || !users) {
		err = file ? -ENOMEM : -errno;
		fault_set(fault, err, "password file %s: %s", path, strerror(-err));
	}
	for (unsigned line = 1; !err && getline(&text, &room, file) >= 0; line++)
		err = add_user(users, path, line, text, fault);
	free(text);
	if (file)
		fclose(file);
	if (err) {
		users_free(users);
		return err;
	}
	*out = users;
	return 0;
}

void users_free(struct users *users)
{
	struct user *user, *next;

	if (!users)
		return;
	for (user = users->first; user; user = next) {
		next = user->next;
		free(user);
	}
	explicit_bzero(users, sizeof(*users));
	free(users);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes into out, padded with NULs to its whole size; false if it is malformed or does not fit. */
static bool base64_decode(struct slice text, char out[CREDENTIALS_BYTES])
{
	uint32_t bits = 0;
	size_t len = 0;

	memset(out, 0, CREDENTIALS_BYTES);
	while (text.len && text.at[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.at[i]);

		if (value < 0 || len == CREDENTIALS_BYTES - 1)
			return false;
		bits = bits << 6 | value;
		if (i % 4)
			out[len++] = bits >> (6 - i % 4 * 2);
	}
	return len && !memchr(out, '\0', len);
}

/* In a time that does not depend on where they differ. */
static bool same_bytes(const char *a, const char *b, size_t len)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= a[i] ^ b[i];
	return !difference;
}

static bool password_fits(const char *hash, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made = data ? crypt_r(password, hash, data) : NULL;
	bool fits = made && strlen(made) == strlen(hash) && same_bytes(made, hash, strlen(hash));

	free(data);
	return fits;
}

static bool credentials_fit(const struct users *users, const char *credentials)
{
	const char *colon = strchr(credentials, ':');
	size_t len;

	if (!colon)
		return false;
	len = colon - credentials;
	for (const struct user *user = users->first; user; user = user->next)
		if (strlen(user->name) == len && !memcmp(user->name, credentials, len))
			return password_fits(user->hash, colon + 1);
	return false;
}

bool users_check(struct users *users, struct slice authorization)
{
	char credentials[CREDENTIALS_BYTES];
	unsigned i;

	if (authorization.len < 7 || strncasecmp(authorization.at, "Basic ", 6))
		return false;
	authorization.at += 6;
	authorization.len -= 6;
	if (!base64_decode(slice_trim(authorization), credentials))
		return false;
	for (i = 0; i < RECENT; i++)
		if (same_bytes(users->recent[i], credentials, CREDENTIALS_BYTES))
			return true;
	if (!credentials_fit(users, credentials))
		return false;
	memcpy(users->recent[users->next_recent++ % RECENT], credentials, CREDENTIALS_BYTES);
	return true;
}
