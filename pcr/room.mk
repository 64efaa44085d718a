$(call room,pcr,pcr,base,libcrypto)
