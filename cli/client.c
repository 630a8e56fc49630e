/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lb/ctl.h"
#include "silence.h"
#include "table.h"

enum { QUIET_TIMEOUT_S = 2 };

static int explain_connect(const struct cli *cli, const char *path, int error)
{
	const bool is_default = !strcmp(cli->instance, LB_CTL_INSTANCE);

	if (error == EACCES || error == EPERM)
		return cli_fail(cli, LB_CTL_REFUSED,
				"%s may not be opened by you: use `sudo lbctl`, or ask to become a "
				"member of the group that owns it",
				path);
	if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
		return cli_fail(cli, LB_CTL_NO_LBD,
				"no lbd answers at %s: start it with `lbd%s%s%s` or "
				"name another with -n",
				path, is_default ? "" : " -n ", is_default ? "" : cli->instance,
				is_default ? "" : " -c FILE");
	return cli_fail(cli, LB_CTL_NO_LBD, "no lbd answers at %s: %s", path, strerror(error));
}

/* A connected socket, or -1 with the exit code in *code. */
static int connect_to_lbd(const struct cli *cli, const struct client_call *call, int *code)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = SILENCE_REPLY_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (call->waits || call->quiet)
		limit.tv_sec = call->waits ? 0 : QUIET_TIMEOUT_S; /* 0: none */
	/* connect(2) and send(2) wait, too, where a stopped lbd's queue is full. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/" LB_CTL_SOCKET,
		     cli->run_directory, cli->instance) < (int)sizeof(address.sun_path) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return fd;
	}
	*code = call->quiet ? LB_CTL_NO_LBD : explain_connect(cli, address.sun_path, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* -1: it is in another pid namespace, or has ended. */
static int open_peer(int fd)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) || peer.pid <= 0)
		return -1;
	return syscall(SYS_pidfd_open, peer.pid, 0);
}

static int send_request(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t left = text ? strlen(text) + 1 : 0;
	const char *at = text;
	ssize_t sent = -1;

	if (text)
		text[left - 1] = '\n';
	while (left && (sent = send(fd, at, left, MSG_NOSIGNAL)) > 0) {
		at += sent;
		left -= sent;
	}
	free(text);
	/* EPIPE: lbd refused before the end; its reply says why. */
	return sent > 0 || errno == EPIPE ? 0 : -errno;
}

static void show_progress(const struct cli *cli, const struct client_call *call, const json_t *text)
{
	if (call->raw) {
		cli_put(cli, text);
		fflush(cli->out);
	} else if (!call->quiet) {
		char *line = table_text(text);

		fflush(cli->out); /* see cli_fail() */
		fprintf(cli->err, "%s\n", line ? line : "");
		free(line);
	}
}

static int take_refusal(const struct cli *cli, const struct client_call *call, const json_t *reply)
{
	const char *text = json_string_value(json_object_get(reply, "error"));
	const json_t *code = json_object_get(reply, "exit");
	int exit_code = json_is_integer(code) ? (int)json_integer_value(code) : LB_CTL_REFUSED;

	if (!exit_code)
		exit_code = LB_CTL_REFUSED;
	if (call->quiet)
		return exit_code;
	return cli_fail(cli, exit_code, "%s", text ? text : "lbd refused and did not say why");
}

/* Reads replies up to the final one. */
static int read_replies(const struct cli *cli, const struct client_call *call, FILE *in,
			json_t **reply)
{
	char *line = NULL;
	size_t room = 0;
	int code = LB_CTL_NO_LBD;
	ssize_t length;

	*reply = NULL;
	while (!*reply && (errno = 0, length = getline(&line, &room, in)) > 0) {
		json_t *message = json_loadb(line, length, JSON_ALLOW_NUL, NULL);
		const json_t *progress = json_object_get(message, "progress");

		if (json_is_string(progress))
			show_progress(cli, call, progress);
		else if (json_is_object(message))
			*reply = json_incref(message);
		else
			errno = EPROTO;
		json_decref(message);
		if (errno == EPROTO)
			break;
	}
	if (*reply && json_is_true(json_object_get(*reply, "ok")))
		code = LB_CTL_DONE;
	else if (*reply)
		code = take_refusal(cli, call, *reply);
	else if (!call->quiet && errno == EAGAIN)
		code = silence_fail(cli, fileno(in));
	else if (!call->quiet)
		cli_fail(cli, code,
			 errno == EPROTO ? "what answers is no lbd, or one of another version"
					 : "lbd went away before its reply; see its log");
	free(line);
	return code;
}

int client_call(const struct cli *cli, const struct client_call *call, json_t **reply)
{
	int code = LB_CTL_NO_LBD, fd = connect_to_lbd(cli, call, &code);
	FILE *in;

	if (fd < 0)
		return code;
	if (call->peer)
		*call->peer = open_peer(fd);
	if (send_request(fd, call->request)) {
		code = cli_fail(cli, LB_CTL_NO_LBD, "cannot send to lbd: %s", strerror(errno));
		close(fd);
		return code;
	}
	if (!call->quiet)
		silence_watch(cli, fd, call->waits);
	in = fdopen(fd, "r");
	if (!in) {
		close(fd);
		return cli_fail(cli, LB_CTL_REFUSED, "no memory");
	}
	code = read_replies(cli, call, in, reply);
	if (code != LB_CTL_DONE) {
		json_decref(*reply);
		*reply = NULL;
	}
	fclose(in);
	return code;
}

json_t *client_ask(const struct cli *cli, const char *verb)
{
	json_t *request = json_pack("{s:s}", "verb", verb), *reply = NULL, *data;
	struct client_call call = {.request = request, .quiet = true};

	client_call(cli, &call, &reply);
	data = json_incref(json_object_get(reply, "data"));
	json_decref(reply);
	json_decref(request);
	return data;
}
