/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/service_manager.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shortage.h"

/* A datagram socket without a peer of its own is always writable for poll(2): it is tried again by the clock. */
enum { WORDS_BYTES = 64, WAITING_MAX = 8, RETRY_US = 200 * 1000 };

static struct {
	int fd;
	sd_event_source *retry;
	char waiting[WAITING_MAX][WORDS_BYTES];
	size_t count;
} manager = {.fd = -1};

/* As sd_notify(3) has it: a path, or "@" and an abstract name. */
static int address_of(const char *name, struct sockaddr_un *sa, socklen_t *length)
{
	size_t bytes = strlen(name);

	if ((*name != '/' && *name != '@') || bytes < 2 || bytes >= sizeof(sa->sun_path))
		return -EINVAL;
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(sa->sun_path, name, bytes);
	if (*name == '@')
		*sa->sun_path = '\0';
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (*name == '/'));
	return 0;
}

static int send_words(const char *name, const char *words)
{
	struct sockaddr_un sa;
	socklen_t length;
	int err = address_of(name, &sa, &length);

	if (err)
		return err;
	if (manager.fd < 0)
		manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager.fd < 0)
		return -errno;
	if (sendto(manager.fd, words, strlen(words), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&sa, length) < 0)
		return -errno;
	return 0;
}

/* It does not read, or this host is short of something just now. */
static bool is_passing(int err)
{
	return err == -EAGAIN || is_shortage(err);
}

/* In their order; one that can never arrive is told once. */
static void send_waiting(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t sent = 0;

	for (; sent < manager.count; sent++) {
		int err = name ? send_words(name, manager.waiting[sent]) : 0;

		if (is_passing(err))
			break;
		if (err)
			log_warning("service manager, NOTIFY_SOCKET %s: %s: it is not told %s",
				    name, strerror(-err), manager.waiting[sent]);
	}
	manager.count -= sent;
	memmove(manager.waiting[0], manager.waiting[sent], manager.count * WORDS_BYTES);
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	(void)now_us, (void)arg;
	send_waiting();
	if (manager.count)
		clock_arm(sd_event_source_get_event(source), &manager.retry, RETRY_US, on_retry,
			  NULL);
	return 0;
}

static void forget_variables(const char *words)
{
	size_t name = strcspn(words, "=") + 1, kept = 0;

	for (size_t i = 0; i < manager.count; i++)
		if (strncmp(manager.waiting[i], words, name))
			memmove(manager.waiting[kept++], manager.waiting[i], WORDS_BYTES);
	manager.count = kept;
}

void service_manager_tell(sd_event *event, const char *format, ...)
{
	char words[WORDS_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	forget_variables(words);
	/* Names are few: lbd has four. */
	if (manager.count == WAITING_MAX)
		return;
	memcpy(manager.waiting[manager.count++], words, sizeof(words));
	send_waiting();
	if (manager.count)
		clock_arm(event, &manager.retry, RETRY_US, on_retry, NULL);
}

void service_manager_end(void)
{
	send_waiting();
	manager.count = 0;
	manager.retry = sd_event_source_disable_unref(manager.retry);
	if (manager.fd >= 0)
		close(manager.fd);
	manager.fd = -1;
}
