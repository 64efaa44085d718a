# The library half of the room (everything but main.c), and the sub-commands, which main's table names.
$(call room,eifgen,eifgen,epoch layerfs pcr base,libcrypto libcjson zlib)
SRC_eifgen += $(wildcard eifgen/cmd/*.c)
$(LIB_eifgen): $(patsubst %.c,$(B)/%.o,$(wildcard eifgen/cmd/*.c))
$(patsubst %.c,$(B)/%.o,$(wildcard eifgen/cmd/*.c)): ROOM_PKGS := $(PKGS_eifgen)
