# SPDX-License-Identifier: Apache-2.0
$(call room,epoch,epoch,base,,libgit2)
