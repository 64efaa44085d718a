$(call room,base,base,,)
