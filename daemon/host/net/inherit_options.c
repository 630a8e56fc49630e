/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a listener that outlive the process which set them: all that a process without privilege can set and that
 * can be read, and some that need one (up to Linux 6.18).  Most are put back to what a new socket has: servers set
 * buffers, time limits or TCP_DEFER_ACCEPT for good reason, and at a crash what waits is not lost for them.  Those
 * that no server needs, and by which no client is served any more, maybe, cost the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net/inherit_options.h"
#include "host/net/sockets.h"

enum {
	VALUE_BYTES =
		64, /* a longer one, as IPV6_RTHDR may be, differs in its beginning from none */
	SO_PASSPIDFD_6_5 = 76, /* older headers lack these */
	SO_RCVPRIORITY_6_14 = 82,
	IP_LOCAL_PORT_RANGE_6_3 = 51,
	IPV6_FLOWINFO_2_5 = 11,
	IPV6_FLOWINFO_SEND_2_5 = 33,
	TCP_AO_INFO_6_7 = 40,
	TCP_RTO_MAX_MS_6_15 = 44,
	TCP_RTO_MIN_US_6_18 = 45,
	TCP_DELACK_MAX_US_6_18 = 46,
};

enum how {
	ANEW,
	PUT_BACK,
	PUT_BACK_BUFFER, /* the kernel doubles what is set, and keeps to it: SO_BUF_LOCK is to come after */
};

#define OPTION(level, option, how)                                                                 \
	{                                                                                          \
		level, option, VALUE_BYTES, how, #option                                           \
	}

/* In this order: IP_TOS changes SO_PRIORITY, too, and SO_RCVLOWAT SO_RCVBUF. */
static const struct option {
	int level, option;
	socklen_t room;
	enum how how;
	const char *name;
} options[] = {
	/* Danger: a filter's length counts instructions, of which the kernel writes all; with 0 it tells how many. */
	{SOL_SOCKET, SO_ATTACH_FILTER, 0, ANEW, "SO_ATTACH_FILTER"},
	OPTION(SOL_SOCKET, SO_LOCK_FILTER, ANEW),
	OPTION(SOL_SOCKET, SO_BINDTOIFINDEX, ANEW),
	OPTION(SOL_SOCKET, SO_MARK, ANEW),
	OPTION(SOL_SOCKET, SO_DONTROUTE, ANEW),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, ANEW),
	OPTION(SOL_SOCKET, SO_MAX_PACING_RATE, ANEW),
	OPTION(SOL_SOCKET, SO_TXTIME, ANEW), /* nothing takes it back */
	OPTION(IPPROTO_IP, IP_MINTTL, ANEW),
	OPTION(IPPROTO_IP, IP_TTL, ANEW),
	OPTION(IPPROTO_IP, IP_OPTIONS, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_MINHOPCOUNT, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_HOPOPTS, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_RTHDR, ANEW),
	OPTION(IPPROTO_IPV6, IPV6_DSTOPTS, ANEW),
	OPTION(IPPROTO_TCP, TCP_MAXSEG, ANEW),
	OPTION(IPPROTO_TCP, TCP_WINDOW_CLAMP, ANEW),
	OPTION(IPPROTO_TCP, TCP_TX_DELAY, ANEW),
	OPTION(IPPROTO_TCP, TCP_ULP, ANEW),
	{IPPROTO_TCP, TCP_AO_INFO_6_7, VALUE_BYTES, ANEW, "TCP_AO_ADD_KEY"},

	OPTION(IPPROTO_IP, IP_TOS, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVOPTS, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RETOPTS, PUT_BACK),
	OPTION(IPPROTO_IP, IP_PKTINFO, PUT_BACK),
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVERR, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVTTL, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVTOS, PUT_BACK),
	OPTION(IPPROTO_IP, IP_FREEBIND, PUT_BACK),
	OPTION(IPPROTO_IP, IP_PASSSEC, PUT_BACK),
	OPTION(IPPROTO_IP, IP_TRANSPARENT, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVORIGDSTADDR, PUT_BACK),
	OPTION(IPPROTO_IP, IP_CHECKSUM, PUT_BACK),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVFRAGSIZE, PUT_BACK),
	OPTION(IPPROTO_IP, IP_RECVERR_RFC4884, PUT_BACK),
	OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, PUT_BACK),
	OPTION(IPPROTO_IP, IP_MULTICAST_ALL, PUT_BACK),
	OPTION(IPPROTO_IP, IP_UNICAST_IF, PUT_BACK),
	OPTION(IPPROTO_IP, IP_LOCAL_PORT_RANGE_6_3, PUT_BACK),

	OPTION(IPPROTO_IPV6, IPV6_2292PKTINFO, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_2292HOPOPTS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_2292DSTOPTS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_2292RTHDR, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_2292HOPLIMIT, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_FLOWINFO_2_5, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVERR, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_ALL, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVERR_RFC4884, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_FLOWINFO_SEND_2_5, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVHOPOPTS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVRTHDR, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVDSTOPTS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVPATHMTU, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_DONTFRAG, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_TCLASS, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_IF, PUT_BACK),
	OPTION(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, PUT_BACK),

	OPTION(IPPROTO_TCP, TCP_NODELAY, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_CORK, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_SYNCNT, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_LINGER2, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_QUICKACK, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_CONGESTION, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_SAVE_SYN, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_INQ, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_RTO_MAX_MS_6_15, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_RTO_MIN_US_6_18, PUT_BACK),
	OPTION(IPPROTO_TCP, TCP_DELACK_MAX_US_6_18, PUT_BACK),

	OPTION(SOL_SOCKET, SO_REUSEADDR, PUT_BACK),
	OPTION(SOL_SOCKET, SO_REUSEPORT, PUT_BACK),
	OPTION(SOL_SOCKET, SO_BROADCAST, PUT_BACK),
	OPTION(SOL_SOCKET, SO_SNDBUF, PUT_BACK_BUFFER),
	OPTION(SOL_SOCKET, SO_RCVBUF, PUT_BACK_BUFFER),
	OPTION(SOL_SOCKET, SO_BUF_LOCK, PUT_BACK),
	OPTION(SOL_SOCKET, SO_KEEPALIVE, PUT_BACK),
	OPTION(SOL_SOCKET, SO_OOBINLINE, PUT_BACK),
	OPTION(SOL_SOCKET, SO_NO_CHECK, PUT_BACK),
	OPTION(SOL_SOCKET, SO_PASSCRED, PUT_BACK), /* these three of any socket up to Linux 6.15 */
	OPTION(SOL_SOCKET, SO_PASSSEC, PUT_BACK),
	OPTION(SOL_SOCKET, SO_PASSPIDFD_6_5, PUT_BACK),
	OPTION(SOL_SOCKET, SO_PRIORITY, PUT_BACK),
	{SOL_SOCKET, SO_LINGER, sizeof(int), PUT_BACK, "SO_LINGER"}, /* without its time */
	OPTION(SOL_SOCKET, SO_RCVTIMEO, PUT_BACK),
	OPTION(SOL_SOCKET, SO_SNDTIMEO, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TIMESTAMP_OLD, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TIMESTAMP_NEW, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TIMESTAMPNS_OLD, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TIMESTAMPNS_NEW, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TIMESTAMPING_OLD, PUT_BACK),
	OPTION(SOL_SOCKET, SO_RXQ_OVFL, PUT_BACK),
	OPTION(SOL_SOCKET, SO_WIFI_STATUS, PUT_BACK),
	OPTION(SOL_SOCKET, SO_PEEK_OFF, PUT_BACK),
	OPTION(SOL_SOCKET, SO_NOFCS, PUT_BACK),
	OPTION(SOL_SOCKET, SO_SELECT_ERR_QUEUE, PUT_BACK),
	OPTION(SOL_SOCKET, SO_BUSY_POLL, PUT_BACK),
	OPTION(SOL_SOCKET, SO_INCOMING_CPU, PUT_BACK),
	OPTION(SOL_SOCKET, SO_ZEROCOPY, PUT_BACK),
	OPTION(SOL_SOCKET, SO_PREFER_BUSY_POLL, PUT_BACK),
	OPTION(SOL_SOCKET, SO_BUSY_POLL_BUDGET, PUT_BACK),
	OPTION(SOL_SOCKET, SO_RESERVE_MEM, PUT_BACK),
	OPTION(SOL_SOCKET, SO_TXREHASH, PUT_BACK),
	OPTION(SOL_SOCKET, SO_RCVMARK, PUT_BACK),
	OPTION(SOL_SOCKET, SO_RCVPRIORITY_6_14, PUT_BACK),
};

struct value {
	bool is_readable; /* a filter of eBPF is not */
	socklen_t length;
	char bytes[VALUE_BYTES];
};

static struct value read_value(int fd, const struct option *option)
{
	struct value value = {.length = option->room};

	value.is_readable =
		!getsockopt(fd, option->level, option->option, value.bytes, &value.length);
	return value;
}

static bool option_differs(int fd, int fresh, const struct option *option)
{
	struct value is = read_value(fd, option), was = read_value(fresh, option);

	return is.is_readable != was.is_readable || is.length != was.length ||
	       memcmp(is.bytes, was.bytes, sizeof(is.bytes));
}

static void put_back(int fd, int fresh, const struct option *option)
{
	struct value was = read_value(fresh, option);
	int name = option->option, half;

	if (option->how == PUT_BACK_BUFFER) {
		memcpy(&half, was.bytes, sizeof(half));
		half /= 2;
		memcpy(was.bytes, &half, sizeof(half));
		name = name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
	} else if (option->level == SOL_SOCKET && name == SO_LINGER) {
		was.length = sizeof(struct linger);
	}
	setsockopt(fd, option->level, name, was.bytes, was.length);
}

static const char *compare_options(int fd, int fresh)
{
	static const int none;
	const size_t count = sizeof(options) / sizeof(*options);

	for (size_t i = 0; i < count; i++)
		if (options[i].how == ANEW && option_differs(fd, fresh, &options[i]))
			return options[i].name;
	for (size_t i = 0; i < count; i++) {
		if (!option_differs(fd, fresh, &options[i]))
			continue;
		put_back(fd, fresh, &options[i]);
		if (option_differs(fd, fresh, &options[i]))
			return options[i].name;
	}
	/* O_NONBLOCK and O_ASYNC belong to the open file, which lbd and all its processes share. */
	fcntl(fd, F_SETFL, fcntl(fresh, F_GETFL));
	/* These cannot be read. */
	setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none));
	setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &none, sizeof(none));
	return sockets_has_keys(fd) ? "TCP_MD5SIG" : NULL;
}

/* Accepted sockets have what their listener has.  A server to which that one is no TCP socket sets no TCP_NODELAY. */
int inherit_set_options(int fd)
{
	static const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	return 0;
}

const char *inherit_restore_options(int fd)
{
	int family, fresh;
	socklen_t length = sizeof(family);
	const char *name = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length))
		return NULL;
	fresh = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return NULL;
	if (!inherit_set_options(fresh))
		name = compare_options(fd, fresh);
	close(fresh);
	return name;
}
