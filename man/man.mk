# SPDX-License-Identifier: Apache-2.0
#
# Man pages and completions, and `make install`. Section 1 and the completions are generated from --help of the program that
# was just built; sections 3 and 5 are written by hand. scdoc prints a date at the foot: MAN_DATE, so that pages are reproducible.

MAN_DATE := 1795305600
MAN_DIR  := build/man
MAN3     := $(patsubst man/%.scd,$(MAN_DIR)/%,$(wildcard man/*.3.scd))
MAN5     := $(patsubst man/%.scd,$(MAN_DIR)/%,$(wildcard man/*.5.scd))
scd       = SOURCE_DATE_EPOCH=$(MAN_DATE) scdoc

$(MAN3) $(MAN5): $(MAN_DIR)/%: man/%.scd
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< | $(scd) >$@

# Which pages there are is known only after the program has run, so one stamp stands for all of section 1.
$(MAN_DIR)/generated: $(B)/bin/eifgen man/generate.py $(wildcard man/*.scd)
	@rm -rf $(MAN_DIR)/gen && mkdir -p $(MAN_DIR)/gen
	@echo "  MAN     $(MAN_DIR)"
	$(Q)man/generate.py $(B)/bin/eifgen man $(MAN_DIR)/gen
	$(Q)set -e; for f in $(MAN_DIR)/gen/*.1.scd; do p=$${f##*/}; $(scd) <$$f >$(MAN_DIR)/$${p%.scd}; done
	@touch $@

.PHONY: man install
man: $(MAN_DIR)/generated $(MAN3) $(MAN5)

# The measured programs (init, the planes) are not installed: they are inputs, and `make bundle` makes a directory of them.
install: all man install-client
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3 \
		$(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/doc/eifgen
	install -m 755 $(B)/bin/eifgen $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(MAN_DIR)/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(MAN3) $(DESTDIR)$(PREFIX)/share/man/man3/
	install -m 644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 $(MAN_DIR)/gen/eifgen.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/eifgen
	install -m 644 $(MAN_DIR)/gen/_eifgen $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_eifgen
	install -m 644 README.md LICENSE CHANGELOG.md man/eifgen-record.schema.json man/cage.schema.json \
		$(DESTDIR)$(PREFIX)/share/doc/eifgen/
