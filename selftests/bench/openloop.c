// SPDX-License-Identifier: Apache-2.0
/*
 * Open-loop HTTP client: requests start when a Poisson process says so, whether or not earlier ones
 * were answered, and latency counts from that intended start.  A stall is therefore seen by all the
 * requests that it would have delayed (a closed loop would send fewer of them).
 *
 * Each request opens a connection, or takes one, at random, of a pool of kept ones (--keep): each of
 * these is then a user who thinks for N / RATE seconds on average.
 */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "client.h"

enum { TARGETS_MAX = 64, REQUEST_MAX = 1024, COUNT_MAX = 20000000, EVENTS_MAX = 512 };

struct options {
	double rate; /* a second; 0: all at once */
	double duration_s, timeout_s;
	long count, keep;
	double mix; /* share of the requests that ask for mix_path */
	const char *path, *mix_path, *label, *header;
	unsigned long seed;
	struct target targets[TARGETS_MAX];
	size_t target_count;
	char text[2][REQUEST_MAX];
	size_t size[2];
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void usage(FILE *to)
{
	fputs("usage: openloop [options] ADDR:PORT...\n"
	      "  -r, --rate N         arrivals a second, Poisson; 0: all at once (100)\n"
	      "  -d, --duration S     of the arrivals (10)\n"
	      "  -n, --count N        at most N requests\n"
	      "  -k, --keep N         a pool of N kept connections (a new one each)\n"
	      "  -t, --timeout S      for each request (10)\n"
	      "  -p, --path PATH      asked for (/)\n"
	      "  -m, --mix F:PATH     a share F, 0..1, asks for PATH instead\n"
	      "  -H, --header 'N: V'  sent with each request\n"
	      "  -B, --by-header N    count answers by this header's value\n"
	      "  -s, --seed N         of arrivals and choices (1)\n",
	      to);
}

static int fail(const char *what, const char *found)
{
	fprintf(stderr, "openloop: %s: %s\n", what, found);
	return -1;
}

static int parse_mix(struct options *o, const char *text)
{
	char *end;

	o->mix = strtod(text, &end);
	if (*end != ':' || end[1] != '/' || o->mix < 0 || o->mix > 1)
		return fail("no SHARE:/PATH", text);
	o->mix_path = end + 1;
	return 0;
}

static int option_take(struct options *o, int c)
{
	switch (c) {
	case 'r':
		o->rate = strtod(optarg, NULL);
		break;
	case 'd':
		o->duration_s = strtod(optarg, NULL);
		break;
	case 'n':
		o->count = strtol(optarg, NULL, 10);
		break;
	case 'k':
		o->keep = strtol(optarg, NULL, 10);
		break;
	case 't':
		o->timeout_s = strtod(optarg, NULL);
		break;
	case 'p':
		o->path = optarg;
		break;
	case 'm':
		if (parse_mix(o, optarg))
			return -1;
		break;
	case 'H':
		o->header = optarg;
		break;
	case 'B':
		o->label = optarg;
		break;
	case 's':
		o->seed = strtoul(optarg, NULL, 10);
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		return -1;
	}
	return 0;
}

static int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"rate", 1, NULL, 'r'}, {"duration", 1, NULL, 'd'}, {"count", 1, NULL, 'n'},
		{"keep", 1, NULL, 'k'}, {"timeout", 1, NULL, 't'},  {"path", 1, NULL, 'p'},
		{"mix", 1, NULL, 'm'},  {"header", 1, NULL, 'H'},   {"by-header", 1, NULL, 'B'},
		{"seed", 1, NULL, 's'}, {"help", 0, NULL, 'h'},     {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "r:d:n:k:t:p:m:H:B:s:h", longs, NULL)) != -1) {
		if (option_take(o, c))
			return -1;
	}
	if (argc - optind > TARGETS_MAX)
		return fail("too many targets", argv[optind + TARGETS_MAX]);
	for (; optind < argc; optind++)
		if (target_parse(&o->targets[o->target_count++], argv[optind]))
			return -1;
	return 0;
}

static int options_check(struct options *o)
{
	double expected = o->rate * o->duration_s;

	if (!o->target_count) {
		usage(stderr);
		return -1;
	}
	if (o->rate < 0 || !(o->duration_s > 0 && o->duration_s <= TALLY_SECONDS) ||
	    !(o->timeout_s > 0 && o->timeout_s <= TALLY_SECONDS))
		return fail("rate, duration or timeout", "negative, 0 or over 600 s");
	if (!o->count)
		o->count = COUNT_MAX;
	if (o->count < 1 || o->count > COUNT_MAX || o->keep < 0 || o->keep > 1000000 ||
	    (!o->rate && o->count == COUNT_MAX) || expected > COUNT_MAX)
		return fail("count or keep", "out of bounds; --rate 0 needs --count");
	for (int i = 0; i < 2; i++) {
		int size =
			snprintf(o->text[i], REQUEST_MAX,
				 "GET %s HTTP/1.1\r\nHost: bench\r\n%s%s%s\r\n",
				 i ? o->mix_path : o->path, o->header ? o->header : "",
				 o->header ? "\r\n" : "", o->keep ? "" : "Connection: close\r\n");

		if (size >= REQUEST_MAX)
			return fail("path or header", "longer than 900 bytes");
		o->size[i] = (size_t)size;
	}
	return 0;
}

static struct connection *connection_new(const struct target *target)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	TAILQ_INIT(&c->queue);
	c->fd = -1;
	c->target = target;
	return c;
}

/* A connection for the next request: a kept one at random, else any that is free; targets in turn. */
static struct connection *connection_take(struct client *client, const struct options *o,
					  struct connection **kept)
{
	static size_t turn;
	const struct target *target = &o->targets[turn % o->target_count];
	struct connection *c;

	if (client->keep) {
		struct connection **slot = &kept[lrand48() % o->keep];

		if (!*slot) {
			*slot = connection_new(target);
			turn++;
		}
		return *slot;
	}
	turn++;
	c = TAILQ_FIRST(&client->free);
	if (!c)
		return connection_new(target);
	TAILQ_REMOVE(&client->free, c, list);
	c->target = target;
	return c;
}

static int wait_events(struct client *client, uint64_t until)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = client_now();
	uint64_t ns = until > now ? until - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(ns / NS_PER_S),
				   .tv_nsec = (long)(ns % NS_PER_S)};
	int count = epoll_pwait2(client->epoll, events, EVENTS_MAX, &timeout, NULL);

	for (int i = 0; i < count; i++)
		connection_event(client, events[i].data.ptr, events[i].events);
	return count < 0 && errno != EINTR ? -errno : 0;
}

/* Starts requests as they fall due and ends when the last is answered or has timed out. */
static int run(struct client *client, const struct options *o, struct connection **kept)
{
	uint64_t timeout = (uint64_t)(o->timeout_s * NS_PER_S);
	uint64_t next = client->tally->start;
	uint64_t last = next + (uint64_t)(o->duration_s * NS_PER_S);
	long left = o->count;
	int err = 0;

	while (!err && !stopped && ((left && next < last) || !TAILQ_EMPTY(&client->live))) {
		uint64_t now = client_now();
		uint64_t until = now + NS_PER_S / 10;

		while (left && next < last && next <= now) {
			bool mixed = drand48() < o->mix;
			struct connection *c = connection_take(client, o, kept);

			if (!c || client_request(client, c, next, o->text[mixed], o->size[mixed]))
				return -ENOMEM;
			left--;
			if (o->rate)
				next += (uint64_t)(-log(1 - drand48()) / o->rate * NS_PER_S);
		}
		client_expire(client, now > timeout ? now - timeout : 0);
		if (left && next < last && next < until)
			until = next;
		err = wait_events(client, until);
	}
	return err;
}

static void prepare_process(void)
{
	struct rlimit files;
	struct sigaction action = {.sa_handler = stop};

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	prctl(PR_SET_TIMERSLACK, 1UL);
}

int main(int argc, char **argv)
{
	static struct tally tally;
	struct options o = {.rate = 100,
			    .duration_s = 10,
			    .timeout_s = 10,
			    .path = "/",
			    .mix_path = "/",
			    .seed = 1};
	struct client client = {.tally = &tally};
	struct connection **kept;
	int err;

	if (options_parse(&o, argc, argv) || options_check(&o))
		return 2;
	prepare_process();
	srand48((long)o.seed);
	client.keep = o.keep > 0;
	client.label = o.label;
	TAILQ_INIT(&client.live);
	TAILQ_INIT(&client.free);
	TAILQ_INIT(&client.draining);
	client.epoll = epoll_create1(EPOLL_CLOEXEC);
	kept = calloc((size_t)o.keep + 1, sizeof(struct connection *));
	if (client.epoll < 0 || !kept) {
		perror("openloop");
		return 1;
	}
	tally.start = client_now();
	err = run(&client, &o, kept);
	if (err) {
		fprintf(stderr, "openloop: %s\n", strerror(-err));
		return 1;
	}
	tally_print(&tally, client_now());
	return 0;
}
