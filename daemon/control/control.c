/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/places.h"
#include "host/process/stranger.h"
#include "lb/ctl.h"

enum {
	MODE = 0660,
	SILENCE_US = 10 * 1000 * 1000,
	ACCEPT_RETRY_US = 1000 * 1000,
};

struct control {
	struct client_host host; /* first: client_host is all that clients know of it */
	int fd;
	char *path;
	sd_event_source *accept, *retry;
	struct places places;
	struct control_access access;
};

static int taken_on = -1; /* of the program before this one */

static bool in_group(int fd, gid_t main_group, gid_t group)
{
	gid_t *groups = NULL;
	socklen_t bytes = 0;
	bool found = main_group == group;

	/* Fails with ERANGE and tells the length; no supplementary groups: succeeds with 0. */
	if (found || !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) || errno != ERANGE)
		return found;
	groups = malloc(bytes);
	if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes)) {
		for (size_t i = 0; i < bytes / sizeof(*groups); i++)
			found |= groups[i] == group;
	}
	free(groups);
	return found;
}

static enum client_rank rank_of(const struct control *control, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return RANK_ROOT;
	if (peer->uid == control->access.owner ||
	    (control->access.group != (gid_t)-1 && in_group(fd, peer->gid, control->access.group)))
		return RANK_CHANGER;
	return RANK_READER;
}

static void accept_one(struct control *control, int fd)
{
	static const char full[] =
		"{\"ok\": false, \"exit\": 1, \"error\": \"too many connections of "
		"your user; close some\"}\n";
	struct client_peer peer;
	struct client *client;
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) {
		stranger_close(fd, geteuid());
		return;
	}
	peer = (struct client_peer){credentials.uid, rank_of(control, fd, &credentials)};
	if (!places_make(&control->places, &peer) ||
	    client_new(&control->host, fd, &peer, &client)) {
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		stranger_close(fd, peer.uid);
		return;
	}
	places_add(&control->places, client);
}

/* Full, or out of descriptors: the rest wait in the accept queue. */
static void accept_pause(struct control *control, bool retry)
{
	sd_event_source_set_enabled(control->accept, SD_EVENT_OFF);
	if (retry) {
		sd_event_source_set_time_relative(control->retry, ACCEPT_RETRY_US);
		sd_event_source_set_enabled(control->retry, SD_EVENT_ONESHOT);
	}
}

static int accept_ready(sd_event_source *source, int listener, uint32_t events, void *arg)
{
	struct control *control = arg;
	int fd;

	(void)source, (void)events;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		accept_one(control, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		accept_pause(control, true);
	if (control->places.count == PLACES_MAX)
		accept_pause(control, false);
	return 0;
}

static int accept_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct control *control = arg;

	(void)source, (void)now_us;
	if (control->places.count < PLACES_MAX)
		sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
	return 0;
}

static void client_closed(struct client_host *host, struct client *client)
{
	struct control *control = (struct control *)host;

	places_remove(&control->places, client);
	sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
}

int control_find_access(int mode, const char *owner, const char *group,
			struct control_access *access, struct error *error)
{
	struct passwd *user = owner ? getpwnam(owner) : NULL;
	struct group *members = getgrnam(group ? group : LB_CTL_GROUP);

	access->mode = mode;
	access->owner = user ? user->pw_uid : geteuid();
	access->group = members ? members->gr_gid : (gid_t)-1;
	if (owner && !user)
		return error_set(error, -EINVAL, "control: no user `%s`; create it or name another",
				 owner);
	if (group && !members)
		return error_set(error, -EINVAL,
				 "control: no group `%s`; create it or name another", group);
	return 0;
}

static int set_access(const struct control *control, const char *path)
{
	const struct control_access *access = &control->access;
	gid_t group = access->group == (gid_t)-1 ? getegid() : access->group;

	return chown(path, access->owner, group) ||
	       chmod(path, access->mode < 0 ? MODE : access->mode);
}

/* A socket that a dead lbd left refuses connections; one that a living lbd owns does not. */
static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered =
		!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN;

	if (fd >= 0)
		close(fd);
	return answered;
}

static int set_path(const char *path, const char *suffix, struct sockaddr_un *address,
		    struct error *error)
{
	int length;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
	if (length < 0 || (size_t)length >= sizeof(address->sun_path))
		return error_set(error, -EINVAL,
				 "control: path %s is longer than a socket's may be", path);
	return 0;
}

/* Its rights may be others by now. */
static bool go_on_at(struct control *control, const char *path)
{
	int listens = 0;
	socklen_t length = sizeof(listens);
	struct stat there;
	bool goes_on = taken_on >= 0 &&
		       !getsockopt(taken_on, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) &&
		       listens && !lstat(path, &there) && S_ISSOCK(there.st_mode) &&
		       !set_access(control, path);

	if (goes_on)
		control->fd = taken_on;
	else if (taken_on >= 0)
		stranger_close(taken_on, geteuid());
	taken_on = -1;
	return goes_on;
}

/* Aside first: the name appears only when its rights are set and it accepts. */
static int listen_at(struct control *control, const char *path, struct error *error)
{
	struct sockaddr_un address, aside;
	int result;

	result = set_path(path, "", &address, error);
	if (!result)
		result = set_path(path, ".new", &aside, error);
	if (result)
		return result;
	if (is_answered(&address))
		return error_set(error, -EADDRINUSE,
				 "another lbd answers at %s: stop it with "
				 "`lbctl shutdown` or start this one with another -n",
				 path);
	unlink(aside.sun_path);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0)
		return error_set(error, -errno, "control: cannot listen at %s: %s", path,
				 strerror(errno));
	/* Accepted sockets inherit it. */
	stranger_refuse(control->fd);
	if (bind(control->fd, (struct sockaddr *)&aside, sizeof(aside)) ||
	    set_access(control, aside.sun_path) || listen(control->fd, SOMAXCONN) ||
	    rename(aside.sun_path, path)) {
		result = error_set(error, -errno, "control: cannot listen at %s: %s", path,
				   strerror(errno));
		unlink(aside.sun_path);
	}
	return result;
}

static int watch(struct control *control, struct error *error)
{
	sd_event *event = control->host.event;
	int result = sd_event_add_io(event, &control->accept, control->fd, EPOLLIN, accept_ready,
				     control);

	if (result >= 0)
		result = clock_arm_anew(event, &control->retry, ACCEPT_RETRY_US, CLOCK_LAX_US,
					accept_retry, control);
	if (result < 0)
		return error_set(error, result, "control: cannot watch its socket: %s",
				 strerror(-result));
	return 0;
}

int control_new(sd_event *event, const char *path, const struct control_access *access,
		const struct control_handler *handler, void *arg, struct control **out,
		struct error *error)
{
	struct control *control = calloc(1, sizeof(*control));
	int result;

	if (!control)
		return error_set(error, -ENOMEM, "control: no memory");
	control->host = (struct client_host){.event = sd_event_ref(event),
					     .handler = *handler,
					     .arg = arg,
					     .silence_us = SILENCE_US,
					     .closed = client_closed};
	control->fd = -1;
	control->access = *access;
	result = go_on_at(control, path) ? 0 : listen_at(control, path, error);
	if (!result) {
		control->path = strdup(path);
		result = control->path ? watch(control, error)
				       : error_set(error, -ENOMEM, "control: no memory");
	}
	if (result)
		control_free(control);
	else
		*out = control;
	return result;
}

int control_set_access(struct control *control, const struct control_access *access,
		       struct error *error)
{
	const struct control_access before = control->access;
	int result;

	control->access = *access;
	if (!set_access(control, control->path))
		return 0;
	result = error_set(error, -errno, "control: %s: %s", control->path, strerror(errno));
	control->access = before;
	set_access(control, control->path);
	return result;
}

struct control_access control_get_access(const struct control *control)
{
	return control->access;
}

int control_mend(struct control *control, struct error *error)
{
	int before = control->fd, result;

	if (!access(control->path, F_OK))
		return 0;
	control->fd = -1;
	result = listen_at(control, control->path, error);
	if (!result) {
		result = sd_event_source_set_io_fd(control->accept, control->fd);
		if (result < 0)
			error_set(error, result, "control: cannot watch its socket: %s",
				  strerror(-result));
	}
	if (result < 0) {
		if (control->fd >= 0)
			stranger_close(control->fd, geteuid());
		control->fd = before;
		return result;
	}
	stranger_close(before, geteuid());
	return 0;
}

int control_hand_on(struct control *control)
{
	int fd = control ? control->fd : -1;

	if (!control)
		return -1;
	free(control->path); /* which is not unlinked then */
	control->path = NULL;
	control->fd = -1;
	control_free(control);
	return fd;
}

void control_take_on(int fd)
{
	taken_on = fd;
}

static void remove_path(struct control *control)
{
	if (control->path)
		unlink(control->path);
	free(control->path);
	control->path = NULL;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = control->places.count; i-- > 0;) {
		struct client *client = control->places.clients[i];
		const struct control_request *request = client_request(client);

		if (!request || !request->awaits_end)
			client_free(client);
	}
	control->host.handler.settle = NULL;
	remove_path(control);
}

void control_end(struct control *control, const char *message)
{
	for (unsigned i = 0; control && i < control->places.count; i++)
		control_message(client_request(control->places.clients[i]), "%s", message);
	control_free(control);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (control->places.count)
		client_free(control->places.clients[control->places.count - 1]);
	sd_event_source_disable_unref(control->accept);
	sd_event_source_disable_unref(control->retry);
	remove_path(control);
	if (control->fd >= 0)
		stranger_close(control->fd, geteuid());
	sd_event_unref(control->host.event);
	free(control);
}

void control_set_silence(struct control *control, uint64_t silence_us)
{
	control->host.silence_us = silence_us;
}
