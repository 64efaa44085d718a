# SPDX-License-Identifier: Apache-2.0
$(call room,pcr,pcr,base,libcrypto)

# libcage-attest: the attestation check for clients, as a shared library with versioned symbols and as one static object in
# which everything but the interface is local, so that our base cannot meet a caller's function of the same name.
CLIENT_SRC := pcr/client/cage_attest.c $(addprefix pcr/,attest_doc.c attest_check.c attest_root.c cose.c cert.c expect.c) \
	$(addprefix base/,err.c mem.c buf.c hex.c utf8.c cbor.c)
CLIENT_OBJ := $(CLIENT_SRC:%.c=$(B)/pic/%.o)
CLIENT_SO := libcage-attest.so.0
CLIENT_LIBS := $(B)/lib/$(CLIENT_SO) $(B)/lib/libcage-attest.a

$(B)/pic/%.o: %.c GNUmakefile
	@mkdir -p $(@D)
	$(Q)$(CC_ALL) $(call pc,cflags,libcrypto) -fPIC -MMD -MP -c $< -o $@
$(B)/lib/$(CLIENT_SO): $(CLIENT_OBJ) pcr/client/cage_attest.map
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC_ALL) -shared -Wl,-z,relro,-z,now,-z,defs -Wl,--build-id=none -Wl,-soname,$(CLIENT_SO) \
		-Wl,--version-script=pcr/client/cage_attest.map $(CLIENT_OBJ) $(call pc,libs,libcrypto) -o $@
	$(Q)ln -sf $(CLIENT_SO) $(B)/lib/libcage-attest.so
$(B)/lib/libcage-attest.a: $(CLIENT_OBJ)
	@mkdir -p $(@D)
	$(Q)ld -r $^ -o $(B)/lib/cage_attest.o
	$(Q)objcopy --wildcard --keep-global-symbol='cage_attest_*' $(B)/lib/cage_attest.o
	@rm -f $@
	$(Q)ar rcsD $@ $(B)/lib/cage_attest.o

ifneq ($(VARIANT),san)
PROGRAMS += $(CLIENT_LIBS)
endif
.PHONY: install-client
install-client: $(CLIENT_LIBS) build/man/libcage-attest.3
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/doc/libcage-attest \
		$(DESTDIR)$(PREFIX)/share/man/man3
	install -m 755 $(B)/lib/$(CLIENT_SO) $(DESTDIR)$(PREFIX)/lib/$(CLIENT_SO)
	ln -sf $(CLIENT_SO) $(DESTDIR)$(PREFIX)/lib/libcage-attest.so
	install -m 644 $(B)/lib/libcage-attest.a $(DESTDIR)$(PREFIX)/lib/
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' pcr/client/cage-attest.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/cage-attest.pc
	install -m 644 pcr/client/cage_attest.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 build/man/libcage-attest.3 $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 tests/client/curl_cage.c $(DESTDIR)$(PREFIX)/share/doc/libcage-attest/
