# Units and the user, with the places of this build in them.
systemdunitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
systemdunit_DATA = share/systemd/taskmill.service
dist_systemdunit_DATA = share/systemd/taskmill.socket
nodist_sysusers_DATA = share/systemd/taskmill.conf

UNIT_PLACES = sed -e 's|@bindir[@]|$(bindir)|g' \
	-e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@localstatedir[@]|$(localstatedir)|g'

share/systemd/taskmill.service: share/systemd/taskmill.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(UNIT_PLACES) \
	    $(srcdir)/share/systemd/taskmill.service.in >$@.new && mv $@.new $@

share/systemd/taskmill.conf: share/systemd/taskmill.sysusers.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(UNIT_PLACES) \
	    $(srcdir)/share/systemd/taskmill.sysusers.in >$@.new && mv $@.new $@

EXTRA_DIST += share/systemd/taskmill.service.in \
	share/systemd/taskmill.sysusers.in
CLEANFILES += share/systemd/taskmill.service share/systemd/taskmill.conf
