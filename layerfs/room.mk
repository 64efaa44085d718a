# SPDX-License-Identifier: Apache-2.0
# isa-l inflates faster than zlib and is used where it is installed (inflate.h).
$(call room,layerfs,layerfs,base,libarchive zlib libzstd libcrypto libcjson $(shell $(PKG_CONFIG) --exists libisal && echo libisal),libcurl)
