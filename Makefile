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

# Three ways to build, each in a directory of its own: plainly, with sanitizers, and to be fuzzed.
CC := gcc
CLANG ?= clang
ifdef FUZZ
B := build/fuzz
CC := $(CLANG)
SANFLAGS := -fsanitize=fuzzer-no-link,address,undefined
else ifdef SAN
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

BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /sbin/bpftool) bpftool)
WERROR := $(if $(CI),-Werror)
PKGS := libbpf libmnl libnl-route-3.0 libnl-3.0 libsystemd jansson libcap-ng zlib
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
CFLAGS ?= $(if $(FUZZ),-O1,-O2) -g
DEFINES := -D_GNU_SOURCE -DLB_VERSION='"$(VERSION)"' -DLB_PREFIX='"$(PREFIX)"' -DLB_SYSCONFDIR='"$(SYSCONFDIR)"'
INCLUDES := -Iinclude -Ibpf -Idaemon -Icli -Iselftests -I$(B)
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) $(DEFINES) $(INCLUDES) $(PKG_CFLAGS)
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -linih -pthread
STATIC_LIBS = -lseccomp -lcrypt
BPF_CFLAGS := -std=gnu11 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-missing-braces $(WERROR) \
	-Iinclude -Ibpf -I/usr/include/$(shell $(CC) -print-multiarch)

include daemon/rooms.mk
# lbstatic knows nothing of lbd but how it opens what others may touch.
STATIC_SRCS += daemon/base/error.c daemon/base/open_file.c daemon/base/place.c
BPF_SRCS := $(filter-out bpf/inspect.bpf.c,$(wildcard bpf/*.bpf.c))
UNIT_SRCS := $(shell find selftests/unit -name 'test_*.c')
PACKET_SRCS := $(wildcard selftests/packet/*.c)
BENCH_SRCS := $(wildcard selftests/bench/*.c)
FUZZ_SRCS := $(wildcard selftests/fuzz/fuzz_*.c)

objects = $(patsubst %.c,$(B)/%.o,$(1))
SKELETONS := $(B)/lb.skel.h $(B)/inspect.skel.h
UNITS := $(patsubst %.c,$(B)/unit/%,$(notdir $(UNIT_SRCS)))
BENCHES := $(BENCH_SRCS:selftests/bench/%.c=$(B)/bench/%)
FUZZERS := $(FUZZ_SRCS:selftests/fuzz/%.c=$(B)/%)
FUZZ_SECONDS ?= 60
PROGRAMS := $(B)/lbd $(B)/lbctl $(B)/lbstatic

.PHONY: all tests bpf force
all: $(PROGRAMS) ## build lbd, lbctl and lbstatic (SAN=1: with sanitizers, V=1: show commands)
	@:
tests: $(UNITS) $(B)/packet/packet $(BENCHES) ## build the tests
	@:
bpf: $(SKELETONS) ## build the BPF programs

# How everything is built: where that is not as it was, everything is built anew.
HOW = $(CC) $(ALL_CFLAGS) $(CLANG) $(BPF_CFLAGS) $(BPFTOOL)
$(B)/how: force
	@mkdir -p $(@D)
	@echo $(call quote,$(HOW)) | cmp -s - $@ || echo $(call quote,$(HOW)) >$@
quote = '$(subst ','\'',$(1))'

$(B)/%.bpf.o: %.bpf.c $(B)/how
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/lb.bpf.o: $(BPF_SRCS:%.bpf.c=$(B)/%.bpf.o)
$(B)/inspect.bpf.o: $(B)/bpf/inspect.bpf.o
$(SKELETONS:.skel.h=.bpf.o):
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETONS): $(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN */'; $(BPFTOOL) gen skeleton $< name $* && echo '/* NOLINTEND */'; } > $@

# Everything in C may include the skeletons: have them first, -MMD knows the rest.
$(B)/%.o: %.c $(B)/how | $(SKELETONS)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/liblbd.a: $(call objects,$(LBD_SRCS))
$(B)/liblbstatic.a: $(call objects,$(STATIC_SRCS))
$(B)/liblbctl.a: $(call objects,$(CLI_SRCS) $(foreach room,$(LBCTL_OF_LBD),$($(room)_SRCS)))
$(B)/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar qcs $@ $^

link = $(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS_OF) $(filter %.o,$^) $(filter %.a,$^) $(LIBS_OF) -o $@
LIBS_OF = $(PKG_LIBS)

$(B)/lbctl: LDFLAGS_OF := -Wl,--as-needed
$(B)/lbctl: $(B)/cli/main.o $(B)/liblbctl.a
$(B)/lbd: $(B)/daemon/main.o $(B)/liblbd.a
$(B)/lbstatic: LIBS_OF = $(STATIC_LIBS)
$(B)/lbstatic: $(B)/daemon/static/main.o $(B)/liblbstatic.a
$(PROGRAMS):
	$(call say,LINK,$@)
	$(Q)$(link)

# Unit tests of lbstatic are named test_static_*.c and see nothing of lbd, as it does.
STATIC_UNITS := $(filter $(B)/unit/test_static_%,$(UNITS))
CLI_UNITS := $(B)/unit/test_cli $(B)/unit/test_import
$(UNITS): LIBS_OF = $(PKG_LIBS) -lcmocka
$(STATIC_UNITS): LIBS_OF = $(STATIC_LIBS) -lcmocka
$(foreach src,$(UNIT_SRCS),$(eval $(B)/unit/$(basename $(notdir $(src))): $(call objects,$(src))))
$(STATIC_UNITS): $(B)/liblbstatic.a
$(CLI_UNITS): $(B)/liblbctl.a
$(filter-out $(STATIC_UNITS) $(CLI_UNITS),$(UNITS)): $(B)/liblbd.a
# Calls that may fail, and there do, each in its turn.
WRAPPED := malloc calloc realloc reallocarray strdup fopen open_memstream mmap socket \
	bpf_map_lookup_elem bpf_map_update_elem bpf_map_delete_elem bpf_map_lookup_batch bpf_map_create bpf_link_create \
	sd_event_add_time sd_event_add_time_relative sd_event_add_io sd_event_add_defer
$(B)/unit/test_reconcile: LDFLAGS_OF := $(WRAPPED:%=-Wl,--wrap=%)
MAP_CALLS := bpf_map_lookup_elem bpf_map_update_elem bpf_map_delete_elem
$(B)/unit/test_datapath: LDFLAGS_OF := $(MAP_CALLS:%=-Wl,--wrap=%)

$(B)/packet/packet: LIBS_OF = $(PKG_LIBS) -lcmocka
$(B)/packet/packet: $(call objects,$(PACKET_SRCS)) $(B)/liblbd.a
$(UNITS) $(B)/packet/packet:
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(link)

$(BENCHES): LIBS_OF = $(PKG_LIBS) -lm
$(BENCHES): $(B)/bench/%: $(B)/selftests/bench/%.o $(B)/liblbd.a
	$(call say,BENCH,$@)
	@mkdir -p $(@D)
	$(Q)$(link)

ifdef FUZZ
STATIC_FUZZERS := $(filter $(B)/fuzz_http $(B)/fuzz_static_%,$(FUZZERS))
$(FUZZERS): LDFLAGS_OF := -fsanitize=fuzzer
$(FUZZERS): LIBS_OF = $(PKG_LIBS) $(STATIC_LIBS)
$(call objects,$(FUZZ_SRCS)): private WARN := $(filter-out -Wmissing-prototypes,$(WARN))
$(STATIC_FUZZERS): $(B)/liblbstatic.a
$(filter-out $(STATIC_FUZZERS),$(FUZZERS)): $(B)/liblbd.a
$(FUZZERS): $(B)/%: $(B)/selftests/fuzz/%.o
	$(call say,FUZZER,$@)
	$(Q)$(link)
endif

-include $(shell find $(B) -name '*.d' $(if $(filter build,$(B)),-not -path 'build/san/*' -not -path 'build/fuzz/*') 2>/dev/null)

.PHONY: fuzzers deps run check static-check fuzz lint install uninstall clean help
ifdef FUZZ
fuzzers: $(FUZZERS)
	@:
else
fuzzers:
	$(Q)$(MAKE) --no-print-directory FUZZ=1 B=build/fuzz fuzzers
endif

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

C_FILES := $(shell find include bpf daemon cli selftests -name '*.[ch]')
TIDY_FILES := $(filter daemon/% cli/%,$(filter %.c,$(C_FILES)))
# __FILE__: any string will do, and this one needs no quotes.
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -DLB_VERSION=__FILE__ -DLB_PREFIX=__FILE__ -DLB_SYSCONFDIR=__FILE__ \
	$(INCLUDES) $(PKG_CFLAGS)
# It does not read the headers of jansson, libbpf and libc.
CPPCHECK_MACROS := '-Djson_array_foreach(a,i,v)=while(next(a,&i,&v))' \
	'-Djson_object_foreach(o,k,v)=while(next(o,&k,&v))' \
	'-DLIBBPF_OPTS(t,n,...)=struct t n = {__VA_ARGS__}' \
	'-DLIST_HEAD(n,t)=struct {struct t *lh_first;}' '-DLIST_ENTRY(t)=struct {struct t *le_next;}' \
	'-DLIST_FOREACH(v,h,f)=for (v = (h)->lh_first; v; v = v->f.le_next)'
# What it takes for mistakes and is none: a pointer into a member, a check of errno's sign, a key that is
# compared by one member, a flag that lives as long as its loop.
CPPCHECK_FALSE := $(addprefix --suppress=,missingIncludeSystem arrayIndexThenCheck memleak:daemon/block/block.c \
	memleak:daemon/output/output.c autoVariables:daemon/host/net/notify.c uninitvar:daemon/static/options/mime.c)
.PHONY: lint-rooms lint-format lint-cppcheck lint-tidy
lint: lint-rooms lint-format lint-cppcheck lint-tidy ## the rooms, clang-format, cppcheck and clang-tidy
lint-rooms: ## hold the tree to daemon/rooms.mk
	$(Q)selftests/lint-rooms
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
BENCH_RESULTS := build/bench/results.json

bench-deps: ## install what the bench measures with and beside
	$(Q)selftests/bench/deps.sh

bench: deps bench-deps ## measure: CASE="1 3" QUICK=1 REPEATS=n PEER=lbd
	$(Q)$(MAKE) --no-print-directory $(JOBS) all $(BENCHES)
	$(Q)/usr/bin/python3 selftests/bench/bench.py $(if $(QUICK),--quick) \
		$(if $(REPEATS),--repeats $(REPEATS)) $(PEER:%=--peer %) $(CASE)

bench-report: ## tables and charts of the last bench
	$(Q)/usr/bin/python3 selftests/bench/report.py $(BENCH_RESULTS)
