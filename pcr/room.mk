# SPDX-License-Identifier: Apache-2.0
$(call room,pcr,pcr,base,libcrypto)
