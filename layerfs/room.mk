$(call room,layerfs,layerfs,base,libarchive zlib libzstd libcrypto libcjson)
