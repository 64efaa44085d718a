# SPDX-License-Identifier: Apache-2.0
$(call room,base,base,,)
