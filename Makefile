# SPDX-License-Identifier: Apache-2.0
# One makefile: .bpf.c -> .bpf.o -> lb.bpf.o -> lb.skel.h -> lbd.  `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=

ifdef SAN
B := build/san
SANFLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
B := build
endif

ifndef V
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
endif

CC := gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /sbin/bpftool) bpftool)
WERROR := $(if $(CI),-Werror)
PKGS := libbpf libmnl libnl-route-3.0 libnl-3.0 libsystemd jansson
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -DLB_VERSION='"$(VERSION)"' \
	-DLB_PREFIX='"$(PREFIX)"' -DLB_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-Iinclude -Ibpf -Idaemon -I$(B) -MMD -MP
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -linih
STATIC_LIBS = -lseccomp -lcrypt

BPF_SRCS := $(wildcard bpf/*.bpf.c)
BPF_OBJS := $(BPF_SRCS:%.bpf.c=$(B)/%.bpf.o)
BPF_CFLAGS := -std=gnu11 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-missing-braces $(WERROR) \
	-Iinclude -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch) -MMD -MP

LBD_SRCS := $(filter-out daemon/main.c,$(wildcard daemon/*.c))
STATIC_SRCS := $(filter-out daemon/static/main.c,$(wildcard daemon/static/*.c))
CLI_SRCS := $(wildcard cli/*.c)
UNIT_SRCS := $(wildcard selftests/unit/test_*.c)
PACKET_SRCS := $(wildcard selftests/packet/*.c)
BENCH_SRCS := $(wildcard selftests/bench/*.c)
FUZZ_SRCS := $(wildcard selftests/fuzz/fuzz_*.c)

LBD_OBJS := $(LBD_SRCS:%.c=$(B)/%.o)
STATIC_OBJS := $(STATIC_SRCS:%.c=$(B)/%.o)
CLI_OBJS := $(filter-out $(B)/cli/main.o,$(CLI_SRCS:%.c=$(B)/%.o))
UNITS := $(UNIT_SRCS:selftests/unit/%.c=$(B)/unit/%)
BENCHES := $(BENCH_SRCS:selftests/bench/%.c=$(B)/bench/%)
FUZZERS := $(FUZZ_SRCS:selftests/fuzz/%.c=build/fuzz/%)

PROGRAMS := $(if $(wildcard daemon/main.c),$(B)/lbd) $(if $(CLI_SRCS),$(B)/lbctl) \
	$(if $(wildcard daemon/static/main.c),$(B)/lbstatic)

.PHONY: all tests bpf
all: $(PROGRAMS)
tests: $(UNITS) $(if $(PACKET_SRCS),$(B)/packet/packet) $(BENCHES)
bpf: $(B)/lb.skel.h

$(B)/%.bpf.o: %.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/lb.bpf.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/lb.skel.h: $(B)/lb.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name lb > $@

# Everything in C may include the skeleton: have it first, -MMD knows the rest.
$(B)/daemon/%.o: daemon/%.c | $(B)/lb.skel.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c $< -o $@

$(B)/daemon/static/%.o: daemon/static/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/cli/%.o: cli/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -c $< -o $@

$(B)/liblbd.a: $(LBD_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/liblbstatic.a: $(STATIC_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/lbd: $(B)/daemon/main.o $(B)/liblbd.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $^ $(PKG_LIBS) -o $@

$(B)/liblbctl.a: $(CLI_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# Of lbd only what reads a configuration: not what it is linked with for that, lbctl starts at once.
$(B)/lbctl: $(B)/cli/main.o $(B)/liblbctl.a $(B)/liblbd.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -Wl,--as-needed $^ $(PKG_LIBS) -o $@

$(B)/lbstatic: $(B)/daemon/static/main.o $(B)/liblbstatic.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $^ $(STATIC_LIBS) -o $@

# Unit tests of lbstatic are named test_static_*.c and see nothing of lbd, as it does.
$(B)/unit/test_static_%: selftests/unit/test_static_%.c $(B)/liblbstatic.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Idaemon/static -Iselftests $^ $(STATIC_LIBS) -lcmocka -o $@

$(B)/unit/test_cli: $(B)/liblbctl.a
$(B)/unit/test_%: selftests/unit/test_%.c $(B)/liblbd.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Icli -Iselftests $(filter %.c,$^) \
		$(filter %/liblbctl.a,$^) $(B)/liblbd.a $(PKG_LIBS) -lcmocka -o $@

$(B)/packet/packet: $(PACKET_SRCS) $(wildcard selftests/packet/*.h) $(B)/liblbd.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Iselftests $(filter %.c %.a,$^) $(PKG_LIBS) -lcmocka -o $@

$(B)/bench/%: selftests/bench/%.c $(B)/liblbd.a
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Iselftests $^ $(PKG_LIBS) -lm -pthread -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	$(Q)rm -rf build
