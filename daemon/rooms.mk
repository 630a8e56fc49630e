# SPDX-License-Identifier: Apache-2.0
# The rooms of each program and their sources, from the top floor down: a room may include what stands below
# it, and nothing above or beside it.
#
#     $(call room,PROGRAM,DIRECTORY,SOURCES without .c)
room = $(eval $(2)_SRCS := $(patsubst %,$(2)/%.c,$(3)))$(eval $(1)_SRCS += $($(2)_SRCS))

# lbctl
$(call room,CLI,cli,\
	cli client commands complete render render_status silence succession table terminal usage verbs \
	verbs_find)
$(call room,CLI,cli/import,\
	access daemon format import join location model nginx port program server static supervisor upstream worker)

# lbstatic
$(call room,STATIC,daemon/static/process,landlock listener loop memory privilege syscalls)
$(call room,STATIC,daemon/static/connection,connection connections exchange log serve)
$(call room,STATIC,daemon/static/answer,\
	answer cache coding condition content fields guard listing multipart output range response status)
$(call room,STATIC,daemon/static/site,lookup site)
$(call room,STATIC,daemon/static/options,\
	access auth command_line counters directives mime options pattern rule_directives rules scale written)
$(call room,STATIC,daemon/static/http,date request target writer)
$(call room,STATIC,daemon/static/ground,fault timers)

# lbd; of it lbstatic has how files of others are opened (base/), and lbctl how a configuration is read
$(call room,LBD,daemon/start,background first_conf options signals start takeover)
$(call room,LBD,daemon/verbs,\
	asked call change config lbd pool process roll save served tails targets verbs waits worker)
$(call room,LBD,daemon/view,status view)
$(call room,LBD,daemon/lbd,\
	in_force loss outdated reexec reload run_dir save save_plan service_manager stop)
$(call room,LBD,daemon/control,access client control listening pace parse places reply time)
$(call room,LBD,daemon/reconcile,\
	check difference difference_line difference_service held_ports nobody plan reconcile services \
	stage stale)
$(call room,LBD,daemon/roll,check recycle roll step watch)
$(call room,LBD,daemon/leave,leave record restore)
$(call room,LBD,daemon/listeners,listeners scan shadowed sorted take)
$(call room,LBD,daemon/backend,await backend check drain end exit new note process restore)
$(call room,LBD,daemon/looks,accepts deaf elsewhere holder port_user stuck)
$(call room,LBD,daemon/remember,file remember)
$(call room,LBD,daemon/apply,apply owed place ring services)
$(call room,LBD,daemon/model,all_down changes choice coming leaving listener pool queries readiness state turn)
$(call room,LBD,daemon/health,exec health http tcp)
$(call room,LBD,daemon/settings,settings start_check)
$(call room,LBD,daemon/check,\
	account_access accounts held_up launch launch_limits launch_log launch_look launch_once \
	launch_static own_addresses privileges served service_clash verdict warn words)
$(call room,LBD,daemon/worker,\
	bury end group limits listeners listeners_back notify pending record run stop streams \
	take_back worker)
$(call room,LBD,daemon/keeping,held message notify output)
$(call room,LBD,daemon/output,file file_move flow hold loss output peek syslog target)
$(call room,LBD,daemon/keeper,keeper kept_notify process send)
$(call room,LBD,daemon/datapath,\
	capture datapath guard interface interfaces libbpf link locals maps programs read ring seed sink xdp)
$(call room,LBD,daemon/datapath/ring,maglev ring share turns)
$(call room,LBD,daemon/datapath/pins,others pins)
$(call room,LBD,daemon/launch,launch)
$(call room,LBD,daemon/conf,\
	accounts check confine edit expand find fingerprint health name origin output pool process read \
	resolve running service split static static_words table top value worker worker_set written)
$(call room,LBD,daemon/block,block file file_name files include parse print scan)
$(call room,LBD,daemon/host/instance,instance pid_file)
$(call room,LBD,daemon/host/net,\
	ephemeral holder_text holders inherit inherit_options local_keys match netlink notify outgoing routes sockets)
$(call room,LBD,daemon/host/spawn,orphans reaper remains spawn spawn_child)
$(call room,LBD,daemon/host/cgroup,below cgroup end file kill limit root)
$(call room,LBD,daemon/host/process,\
	account aside capabilities close_range closer confine environment grandchild inspect name_lock \
	process process_life processes program stranger)
$(call room,LBD,daemon/base,\
	addr buffer error hash json_text log name open_file own_dir place printable publish read_file rotate \
	seal sysctl tail utf8)

# Of the rooms of lbd, those that lbctl is linked with, and may include: what reads a configuration and says what is
# wrong with it.  That takes libbpf and libmnl (who else has a port?), which every command waits 0.3 ms for.
LBCTL_OF_LBD := $(addprefix daemon/,\
	settings check datapath/pins launch conf block host/instance host/net host/cgroup \
	host/process base)
