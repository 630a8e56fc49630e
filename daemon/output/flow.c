/* SPDX-License-Identifier: Apache-2.0 */
#include "output/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "output/loss.h"
#include "output/peek.h"
#include "output/sink.h"

enum {
	LINE_BYTES = 64 << 10, /* a longer line is passed on in pieces */
	DRAIN_TURNS = 16,      /* after a worker's end: more than a FIFO holds */
	SAY_AGAIN_S = 60,
};

/* By enum conf_output_kind; any other goes nowhere. */
static const struct output_sink *const sinks[] = {
	[OUTPUT_FILE] = &output_file_sink, [OUTPUT_SYSLOG] = &output_syslog_sink};

struct output_flow {
	sd_event *event;
	int fd;                         /* the FIFO */
	char *name;                     /* the worker's */
	const struct output_sink *kind; /* NULL: it goes nowhere */
	void *sink;
	struct output_loss *loss;
	sd_event_source *source, *more, *retry;
	bool is_stuck;       /* what was there could not be moved just now: retry runs */
	time_t said;         /* when it was told last that some cannot be read */
	uint64_t give_up_us; /* nobody writes any more; 0: somebody may */
	void (*ended)(void *arg);
	void *arg;
};

/* How much of it is whole lines; what is too long, or the last word of the dead, is taken as it is. */
static size_t whole_lines(const struct output_peek *peek, bool is_last)
{
	const char *end = peek->bytes ? memrchr(peek->text, '\n', peek->bytes) : NULL;

	if (is_last)
		return peek->bytes;
	if (end)
		return end + 1 - peek->text;
	return peek->bytes >= LINE_BYTES ? peek->bytes : 0;
}

static size_t move_whole_lines(struct output_flow *flow, const char *text, size_t bytes)
{
	if (flow->kind)
		return flow->kind->move(flow->sink, flow->fd, text, bytes);
	output_discard(flow->fd, bytes);
	return bytes;
}

static void drop_unreadable(struct output_flow *flow, const struct output_peek *peek)
{
	ssize_t n = output_peek_drop(flow->fd, peek->unreadable);
	time_t now = time(NULL);

	if (n <= 0 || now - flow->said < SAY_AGAIN_S)
		return;
	log_warning(
		"worker %s: %zd bytes of its output are dropped, which cannot be read: %s; it must "
		"have spliced pages there of a file that is damaged or was cut short",
		flow->name, n, strerror(-peek->err));
	flow->said = now;
}

static int on_retry(sd_event_source *source, uint64_t now, void *arg);

/* One bounded turn.  The descriptor is edge-triggered, as an unfinished line stays in it: whoever
 * leaves more than that must come again. */
static bool move_turn(struct output_flow *flow, bool is_last)
{
	struct output_peek peek = output_peek(flow->fd);
	size_t lines = whole_lines(&peek, is_last || peek.unreadable);
	size_t moved = lines ? move_whole_lines(flow, peek.text, lines) : 0;
	bool is_blind = peek.err && !peek.unreadable;

	flow->is_stuck = is_blind || moved < lines;
	if (flow->is_stuck && flow->retry)
		clock_arm(flow->event, &flow->retry,
			  flow->kind ? flow->kind->again_us : OUTPUT_SHORT_US, on_retry, flow);
	if (peek.unreadable && !lines)
		drop_unreadable(flow, &peek);
	return (lines || peek.unreadable) && !flow->is_stuck;
}

/* May free the flow. */
static void finish_flow(struct output_flow *flow)
{
	if (!output_flow_drain(flow) && clock_us() < flow->give_up_us)
		return;
	clock_disarm(flow->retry);
	if (flow->is_stuck)
		output_flow_say_dropped(flow);
	flow->ended(flow->arg);
}

static int on_retry(sd_event_source *source, uint64_t now, void *arg)
{
	struct output_flow *flow = arg;

	(void)source, (void)now;
	flow->is_stuck = false;
	if (flow->give_up_us)
		finish_flow(flow);
	else
		sd_event_source_set_enabled(flow->more, SD_EVENT_ONESHOT);
	return 0;
}

static int on_more(sd_event_source *source, void *arg)
{
	struct output_flow *flow = arg;

	if (move_turn(flow, false))
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_bytes(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct output_flow *flow = arg;

	(void)source, (void)fd;
	if (events & EPOLLHUP)
		output_flow_end(flow);
	else if (!flow->is_stuck && move_turn(flow, false))
		sd_event_source_set_enabled(flow->more, SD_EVENT_ONESHOT);
	return 0;
}

/* Made before it is needed: then there may be no memory, and no descriptor for a timer. */
static int make_retry(struct output_flow *flow)
{
	int err = clock_arm(flow->event, &flow->retry, 0, on_retry, flow);

	if (err >= 0)
		err = sd_event_source_set_enabled(flow->retry, SD_EVENT_OFF);
	return err < 0 ? err : sd_event_source_set_priority(flow->retry, SD_EVENT_PRIORITY_IDLE);
}

/* Last of all that the loop has to do: a flood of output delays nothing but itself. */
static int watch_fifo(struct output_flow *flow)
{
	int err = make_retry(flow);

	if (err >= 0)
		err = sd_event_add_defer(flow->event, &flow->more, on_more, flow);

	if (err >= 0)
		err = sd_event_source_set_enabled(flow->more, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_source_set_priority(flow->more, SD_EVENT_PRIORITY_IDLE);
	if (err >= 0)
		err = sd_event_add_io(flow->event, &flow->source, flow->fd, EPOLLIN | EPOLLET,
				      on_bytes, flow);
	if (err >= 0)
		err = sd_event_source_set_priority(flow->source, SD_EVENT_PRIORITY_IDLE);
	return err < 0 ? err : 0;
}

static int open_sink(struct output_flow *flow, const struct conf_output *conf,
		     const struct output_target *target)
{
	const struct output_sink *kind =
		(size_t)conf->kind < sizeof(sinks) / sizeof(*sinks) ? sinks[conf->kind] : NULL;
	bool is_file = conf->kind == OUTPUT_FILE;
	char what[PATH_MAX + 16];

	snprintf(what, sizeof(what), "%s %s", is_file ? "log" : "syslog of",
		 is_file ? target->path : target->name);
	flow->loss = output_loss_new(what, flow->fd);
	if (!flow->loss)
		return -ENOMEM;
	flow->sink = kind ? kind->open(conf, target, flow->loss) : NULL;
	if (kind && !flow->sink)
		return -ENOMEM;
	flow->kind = kind;
	return 0;
}

/* All but the FIFO. */
static void free_rest(struct output_flow *flow)
{
	sd_event_source_disable_unref(flow->source);
	sd_event_source_disable_unref(flow->more);
	sd_event_source_disable_unref(flow->retry);
	if (flow->kind)
		flow->kind->close(flow->sink);
	output_loss_free(flow->loss);
	free(flow->name);
	free(flow);
}

int output_flow_new(sd_event *event, int fd, const struct conf_output *conf,
		    const struct output_target *target, struct output_flow **out)
{
	struct output_flow *flow = calloc(1, sizeof(*flow));
	int err = output_peek_prepare();

	if (!flow)
		return -ENOMEM;
	flow->event = event;
	flow->fd = fd;
	flow->name = strdup(target->name);
	fcntl(fd, F_SETPIPE_SZ, OUTPUT_PIPE_BYTES);
	if (!err)
		err = flow->name ? open_sink(flow, conf, target) : -ENOMEM;
	if (!err && event)
		err = watch_fifo(flow);
	if (err)
		free_rest(flow);
	else
		*out = flow;
	return err;
}

int output_flow_resume(sd_event *event, int fd, const char *note, struct output_flow **out)
{
	char *words = strdup(note);
	struct output_target target;
	struct conf_output conf;
	int err = words ? output_target_parse(words, &conf, &target) : -ENOMEM;

	if (!err)
		err = output_flow_new(event, fd, &conf, &target, out);
	free(words);
	return err;
}

void output_flow_on_end(struct output_flow *flow, void (*ended)(void *arg), void *arg)
{
	flow->ended = ended;
	flow->arg = arg;
}

void output_flow_end(struct output_flow *flow)
{
	sd_event_source_set_enabled(flow->source, SD_EVENT_OFF);
	sd_event_source_set_enabled(flow->more, SD_EVENT_OFF);
	flow->give_up_us = clock_us() + OUTPUT_FLOW_REST_US;
	clock_arm(flow->event, &flow->retry, 0, on_retry, flow);
}

bool output_flow_is_ending(const struct output_flow *flow)
{
	return flow->give_up_us;
}

bool output_flow_drain(struct output_flow *flow)
{
	for (int i = 0; i < DRAIN_TURNS && move_turn(flow, false); i++)
		;
	if (!flow->is_stuck)
		move_turn(flow, true);
	if (!flow->is_stuck && flow->kind && flow->kind->end_line)
		flow->kind->end_line(flow->sink);
	output_loss_end(flow->loss);
	return !flow->is_stuck;
}

void output_flow_say_dropped(const struct output_flow *flow)
{
	int bytes = 0;

	ioctl(flow->fd, FIONREAD, &bytes);
	log_warning("%s has ended: its last %d bytes of output are dropped, which could not be "
		    "written",
		    flow->name, bytes);
}

int output_flow_release(struct output_flow *flow)
{
	int fd = flow->fd;

	free_rest(flow);
	return fd;
}

int output_flow_fd(const struct output_flow *flow)
{
	return flow->fd;
}

void output_flow_free(struct output_flow *flow)
{
	if (flow)
		close(output_flow_release(flow));
}
