# SPDX-License-Identifier: Apache-2.0
#
# The library half of the room (everything but main.c), and the sub-commands, which main's table names.
$(call room,eifgen,eifgen,epoch layerfs pcr base,libssl libcrypto libcjson zlib sqlite3)
SRC_eifgen += $(wildcard eifgen/cmd/*.c)
$(LIB_eifgen): $(patsubst %.c,$(B)/%.o,$(wildcard eifgen/cmd/*.c))
$(patsubst %.c,$(B)/%.o,$(wildcard eifgen/cmd/*.c)): ROOM_PKGS := $(PKGS_eifgen)
# The page of `diff --html` is linked in whole (.incbin), which no compiler lists among its dependencies.
$(B)/eifgen/diff_html.o build/fuzz/eifgen/diff_html.o: eifgen/diff_page.html
