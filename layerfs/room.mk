# SPDX-License-Identifier: Apache-2.0
$(call room,layerfs,layerfs,base,libarchive zlib libzstd libcrypto libcjson)
