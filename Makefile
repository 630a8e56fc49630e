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
# One name for one directory: the .d files of a build name what they are of as it was called then.
override B := $(patsubst $(CURDIR)/%,%,$(abspath $(B)))

ifndef V
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
endif

CC := gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /sbin/bpftool) bpftool)
WERROR := $(if $(CI),-Werror)
PKGS := libbpf libmnl libnl-route-3.0 libnl-3.0 libsystemd jansson libcap-ng zlib
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -DLB_VERSION='"$(VERSION)"' \
	-DLB_PREFIX='"$(PREFIX)"' -DLB_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-Iinclude -Ibpf -Idaemon -I$(B) -MMD -MP
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -linih -pthread
STATIC_LIBS = -lseccomp -lcrypt

BPF_SRCS := $(filter-out bpf/inspect.bpf.c,$(wildcard bpf/*.bpf.c))
SKELETONS := $(B)/lb.skel.h $(B)/inspect.skel.h
BPF_OBJS := $(BPF_SRCS:%.bpf.c=$(B)/%.bpf.o)
BPF_CFLAGS := -std=gnu11 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-missing-braces $(WERROR) \
	-Iinclude -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch) -MMD -MP

LBD_SRCS := $(filter-out daemon/main.c,$(wildcard daemon/*.c))
# lbstatic knows nothing of lbd but how it opens what others may touch.
STATIC_SRCS := $(filter-out daemon/static/main.c,$(wildcard daemon/static/*.c)) \
	daemon/error.c daemon/open_file.c daemon/place.c
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
FUZZ_SECONDS ?= 60
FUZZ_CFLAGS = -std=gnu11 -O1 -g $(WARN) -D_GNU_SOURCE -DLB_VERSION='"$(VERSION)"' \
	-DLB_PREFIX='"$(PREFIX)"' -DLB_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-Iinclude -Ibpf -Idaemon -I$(B) -MMD -MP

PROGRAMS := $(if $(wildcard daemon/main.c),$(B)/lbd) $(if $(CLI_SRCS),$(B)/lbctl) \
	$(if $(wildcard daemon/static/main.c),$(B)/lbstatic)

.PHONY: all tests bpf
all: $(PROGRAMS) ## build lbd, lbctl and lbstatic (SAN=1: with sanitizers, V=1: show commands)
	@:
tests: $(UNITS) $(if $(PACKET_SRCS),$(B)/packet/packet) $(BENCHES) ## build the tests
	@:
bpf: $(SKELETONS) ## build the BPF programs

$(B)/%.bpf.o: %.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/lb.bpf.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/inspect.bpf.o: $(B)/bpf/inspect.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(SKELETONS): $(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN */'; $(BPFTOOL) gen skeleton $< name $* && echo '/* NOLINTEND */'; } > $@

# Everything in C may include the skeleton: have it first, -MMD knows the rest.
$(B)/daemon/%.o: daemon/%.c | $(SKELETONS)
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
	$(Q)$(CC) $(ALL_CFLAGS) -Idaemon/static -Iselftests $(filter %.c %.a,$^) \
		$(STATIC_LIBS) -lcmocka -o $@

$(B)/unit/test_cli $(B)/unit/test_import: $(B)/liblbctl.a
# Calls that may fail, and there do, each in its turn.
WRAPPED := malloc calloc realloc reallocarray strdup fopen open_memstream mmap socket \
	bpf_map_update_elem bpf_map_delete_elem bpf_map_lookup_batch bpf_map_create bpf_link_create \
	sd_event_add_time sd_event_add_time_relative sd_event_add_io sd_event_add_defer
$(B)/unit/test_reconcile: TEST_LDFLAGS := $(WRAPPED:%=-Wl,--wrap=%)
$(B)/unit/test_%: selftests/unit/test_%.c $(B)/liblbd.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Icli -Iselftests $(filter %.c,$^) \
		$(filter %/liblbctl.a,$^) $(B)/liblbd.a $(TEST_LDFLAGS) $(PKG_LIBS) -lcmocka -o $@

# By its objects: of several sources in one command the .d file tells what the last includes.
$(B)/packet/%.o: selftests/packet/%.c | $(SKELETONS)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Iselftests -c $< -o $@

$(B)/packet/packet: $(PACKET_SRCS:selftests/%.c=$(B)/%.o) $(B)/liblbd.a
	$(call say,TEST,$@)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(filter %.o %.a,$^) $(PKG_LIBS) -lcmocka -o $@

$(B)/bench/%: selftests/bench/%.c $(B)/liblbd.a
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -Iselftests $(filter %.c %.a,$^) $(PKG_LIBS) -lm -o $@

# Fuzzers: libFuzzer's instrumentation needs objects of its own.
build/fuzz/daemon/%.o: daemon/%.c | $(SKELETONS)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(PKG_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@

build/fuzz/daemon/static/%.o: daemon/static/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@

build/fuzz/liblbd.a: $(LBD_SRCS:%.c=build/fuzz/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

build/fuzz/liblbstatic.a: $(STATIC_SRCS:%.c=build/fuzz/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

STATIC_FUZZERS := $(filter build/fuzz/fuzz_http build/fuzz/fuzz_static_%,$(FUZZERS))
$(STATIC_FUZZERS): FUZZ_INCLUDES := -Idaemon/static
$(STATIC_FUZZERS): build/fuzz/liblbstatic.a
$(filter-out $(STATIC_FUZZERS),$(FUZZERS)): build/fuzz/liblbd.a
build/fuzz/fuzz_%: selftests/fuzz/fuzz_%.c
	$(call say,FUZZER,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -Wmissing-prototypes,$(FUZZ_CFLAGS)) $(PKG_CFLAGS) $(FUZZ_INCLUDES) \
		-fsanitize=fuzzer,address,undefined $(filter %.c,$^) $(filter %.a,$^) $(PKG_LIBS) \
		$(STATIC_LIBS) -o $@

-include $(shell find $(B) build/fuzz -name '*.d' 2>/dev/null)

.PHONY: fuzzers deps run check static-check fuzz lint install uninstall clean help
fuzzers: $(FUZZERS)
	@:

deps: ## install what building and testing need (Debian: apt; elsewhere: name it)
	$(Q)selftests/deps

# What is built is looked at anew after deps: hence make once more, the same makefile.
JOBS := -j$(shell nproc)
run: deps ## start lbd with the example configuration, ^C stops it
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)selftests/example $(abspath $(B))

check: deps ## build and run every test; counts them
	$(Q)$(MAKE) --no-print-directory $(JOBS) all tests $(if $(filter fuzz,$(or $(ONLY),fuzz)),fuzzers)
	$(Q)selftests/run $(B) --fuzz-seconds $(FUZZ_SECONDS) \
		$(if $(REQUIRE_PRIVILEGED),--require-privileged) $(ONLY:%=--only %) $(E2E:%=--e2e %)

static-check: deps ## lbstatic before Chromium, which it installs, and under a minute of each load
	$(Q)selftests/deps browser
	$(Q)$(MAKE) --no-print-directory $(JOBS) $(B)/lbstatic
	$(Q)LBD_BUILD=$(abspath $(B)) LBD_LOAD_SECONDS=60 /usr/bin/python3 -m pytest -q -rP --tb=short \
		-p no:cacheprovider selftests/browser selftests/e2e/test_static_peers.py \
		selftests/e2e/test_static_limits.py::test_a_full_send_buffer

fuzz: fuzzers ## fuzz for FUZZ_SECONDS (60) in total
	$(Q)selftests/run $(B) --only fuzz --fuzz-seconds $(FUZZ_SECONDS)

STORM := $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))
.PHONY: storm
storm: deps ## an hour of random verbs, kills and reloads (SECONDS=3600 SEED=random)
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)LBD_BUILD=$(abspath $(B)) /usr/bin/python3 selftests/storm/storm.py $(STORM)

.PHONY: model
model: deps ## check a model of lbd, its workers and its death in every order of events
	$(Q)mkdir -p $(B)
	$(Q)selftests/model/model.py $(B)

C_FILES := $(wildcard include/lb/*.h bpf/*.[ch] daemon/*.[ch] daemon/static/*.[ch] cli/*.[ch] \
	selftests/*/*.[ch])
TIDY_FILES := $(wildcard daemon/*.c daemon/static/*.c cli/*.c)
# __FILE__: any string will do, and this one needs no quotes.
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -DLB_VERSION=__FILE__ -DLB_PREFIX=__FILE__ -DLB_SYSCONFDIR=__FILE__ \
	-Iinclude -Ibpf -Idaemon -Icli -Idaemon/static -I$(B) $(PKG_CFLAGS)
# It does not read the headers of jansson, libbpf and libc.
CPPCHECK_MACROS := '-Djson_array_foreach(a,i,v)=while(next(a,&i,&v))' \
	'-Djson_object_foreach(o,k,v)=while(next(o,&k,&v))' \
	'-DLIBBPF_OPTS(t,n,...)=struct t n = {__VA_ARGS__}' \
	'-DLIST_HEAD(n,t)=struct {struct t *lh_first;}' '-DLIST_ENTRY(t)=struct {struct t *le_next;}' \
	'-DLIST_FOREACH(v,h,f)=for (v = (h)->lh_first; v; v = v->f.le_next)'
# What it takes for mistakes and is none: a pointer into a member, a check of errno's sign, a key that is
# compared by one member, a flag that lives as long as its loop.
CPPCHECK_FALSE := $(addprefix --suppress=,missingIncludeSystem arrayIndexThenCheck memleak:daemon/block.c \
	memleak:daemon/output.c autoVariables:daemon/notify.c uninitvar:daemon/static/mime.c)
.PHONY: lint-format lint-cppcheck lint-tidy
lint: lint-format lint-cppcheck lint-tidy ## clang-format, cppcheck and clang-tidy
lint-format:
	$(call say,FORMAT,$(words $(C_FILES)) files)
	$(Q)clang-format --dry-run -Werror $(C_FILES)
lint-cppcheck:
	$(call say,CPPCHECK,$(words $(TIDY_FILES)) files)
	$(Q)cppcheck --quiet $(JOBS) --std=c11 --enable=warning,portability,performance \
		--inline-suppr --error-exitcode=1 $(CPPCHECK_FALSE) \
		-D_GNU_SOURCE -DLB_VERSION='""' -Iinclude -Idaemon -Icli $(CPPCHECK_MACROS) $(TIDY_FILES)
lint-tidy: $(SKELETONS)
	$(call say,TIDY,$(words $(TIDY_FILES)) files)
	$(Q)printf '%s\n' $(TIDY_FILES) | xargs -P $(shell nproc) -n 4 sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- $(LINT_FLAGS) 2>/dev/null' tidy

SBIN := $(DESTDIR)$(PREFIX)/sbin
BIN := $(DESTDIR)$(PREFIX)/bin
MAN := $(DESTDIR)$(PREFIX)/share/man
COMPLETIONS := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
UNITS_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
# Of several instances: the same unit for each name.
INSTANCE_UNIT := s,/lbd -f -c \(.*\)/lbd\.conf,/lbd -n %i -f -c \1/%i.conf,; \
	s,/lbctl reload,/lbctl -n %i reload,; s/^Description=lbd,/Description=lbd %i,/
MAN_PAGES := $(wildcard daemon/*.[58] daemon/static/*.8 cli/*.8)
install: all ## install (PREFIX=/usr/local, SYSCONFDIR=/etc, DESTDIR=)
	$(Q)install -D -m 755 -t $(SBIN) $(B)/lbd
	$(Q)install -D -m 755 -t $(BIN) $(filter-out %/lbd,$(PROGRAMS))
	$(Q)$(foreach page,$(MAN_PAGES),install -D -m 644 -t $(MAN)/man$(subst .,,$(suffix $(page))) $(page) &&) :
	$(Q)install -D -m 644 cli/lbctl.bash $(COMPLETIONS)/lbctl
	$(Q)install -d $(UNITS_DIR)
	$(Q)test -d $(DESTDIR)$(SYSCONFDIR)/lbd || install -d -m 711 $(DESTDIR)$(SYSCONFDIR)/lbd
	$(Q)sed 's,/usr/local,$(PREFIX),; s,/etc,$(SYSCONFDIR),' daemon/lbd.service >$(UNITS_DIR)/lbd.service
	$(Q)sed '$(INSTANCE_UNIT)' $(UNITS_DIR)/lbd.service >$(UNITS_DIR)/lbd@.service
	$(Q)test -e $(DESTDIR)$(SYSCONFDIR)/lbd/lbd.conf || \
		echo '# See lbd.conf(5); an example: $(PREFIX)/share/doc/lbd/lbd.conf' \
		>$(DESTDIR)$(SYSCONFDIR)/lbd/lbd.conf
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/lbd $(wildcard daemon/lbd.conf README.md)

uninstall: ## remove what install put there, but for the configuration
	$(Q)rm -f $(SBIN)/lbd $(BIN)/lbctl $(BIN)/lbstatic $(COMPLETIONS)/lbctl $(UNITS_DIR)/lbd.service $(UNITS_DIR)/lbd@.service \
		$(foreach page,$(MAN_PAGES),$(MAN)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/share/doc/lbd

clean: ## remove what was built
	$(Q)rm -rf build

help: ## this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# Virtual machines: every kernel in QEMU, and the whole way through Vagrant.  Not part of `check`.
.PHONY: vm-deps vm-check vagrant-deps vagrant-tree vagrant-check
vm-deps: ## install what vm-check needs
	$(Q)vagrant/deps vm

vagrant-deps: ## install what vagrant-check needs
	$(Q)vagrant/deps vagrant

vm-check: ## run the tests on Linux 6.1 and 6.12, in QEMU (ONLY="features unit", KERNELS=6.1)
	$(Q)$(MAKE) --no-print-directory $(JOBS) all tests
	$(Q)ONLY="$(ONLY)" vagrant/vm-check $(B) $(KERNELS)

vagrant-tree:
	$(Q)$(MAKE) --no-print-directory $(JOBS) all tests
	$(Q)vagrant/tree $(B) build/vagrant/tree

vagrant-check: ## attach to a VM's NIC, by way of libvirt and Vagrant
	$(Q)$(MAKE) --no-print-directory $(JOBS) all tests
	$(Q)vagrant/vagrant-check

# The bench: lbd beside what people would use instead.
.PHONY: bench bench-deps bench-report
BENCH_PLAIN := openloop closedloop answer flood
BENCH_RESULTS := build/bench/results.json

$(BENCH_PLAIN:%=$(B)/bench/%): $(B)/bench/%: selftests/bench/%.c
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $< $(if $(filter flood,$*),-lbpf,-lm) -o $@

bench-deps: ## install what the bench measures with and beside
	$(Q)selftests/bench/deps.sh

bench: deps bench-deps ## measure: CASE="1 3" QUICK=1 REPEATS=n PEER=lbd
	$(Q)$(MAKE) --no-print-directory $(JOBS) all $(BENCHES)
	$(Q)/usr/bin/python3 selftests/bench/bench.py $(if $(QUICK),--quick) \
		$(if $(REPEATS),--repeats $(REPEATS)) $(PEER:%=--peer %) $(CASE)

bench-report: ## tables and charts of the last bench
	$(Q)/usr/bin/python3 selftests/bench/report.py $(BENCH_RESULTS)
